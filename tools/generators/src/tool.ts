import { execFileSync } from "node:child_process";
import { toolEnvironment } from "@shoal/tools-repo/workspace";

/** Runs an installed tool, or one on PATH, in the repository at `root`. Throws an `Error` with all that it said where it fails. */
export function runTool(root: string, command: string, ...args: readonly string[]): void {
  try {
    execFileSync(command, args, { cwd: root, env: toolEnvironment(root), stdio: "pipe", encoding: "utf8" });
  } catch (error) {
    const { stdout, stderr, message } = error as { stdout?: string; stderr?: string; message: string };
    throw new Error(`${stdout ?? ""}${stderr ?? ""}` || message, { cause: error });
  }
}
