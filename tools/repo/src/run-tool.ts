import { spawn } from "node:child_process";
import { once } from "node:events";
import { toolEnvironment, workspaceRoot } from "./workspace.ts";

/** How a tool ended, and what it wrote on its standard output and error. */
export interface ToolResult {
  readonly ok: boolean;
  readonly output: string;
}

/** Runs an installed tool, or one on PATH, in the repository's root. Rejects when it cannot be started. */
export async function runTool(command: string, ...args: string[]): Promise<ToolResult> {
  const child = spawn(command, args, { cwd: workspaceRoot, env: toolEnvironment(), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const [code] = (await once(child, "close")) as [number | null];
  return { ok: code === 0, output };
}
