import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { type Ending, temporaryDirectory } from "./temporary-directory.ts";

const execute = promisify(execFile);

/** A copy of the repository that a test may change: a git repository of its own, with one commit, and with all installed. */
export interface RepositoryCopy {
  readonly root: string;
  /**
   * Runs a command there, `npx` and `npm` among them; answers what it printed to standard output. Rejects with all that it printed
   * where it fails, or takes longer than `timeoutMs`.
   */
  run(command: string, args: readonly string[], timeoutMs?: number): Promise<string>;
  /** What `git status` says has changed since the copy was made, line by line. */
  changes(): Promise<readonly string[]>;
}

/** Copies the working tree of the repository at `root`; the copy is deleted after the test. */
export async function copyRepository(t: Ending, root: string): Promise<RepositoryCopy> {
  const copy = join(await temporaryDirectory(t), "shoal");
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], { cwd: root, encoding: "utf8" });
  for (const path of listed.split("\0").filter((path) => path !== "")) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(root, path), join(copy, path), { verbatimSymlinks: true });
  }
  for (const made of ["libs/contracts/gen", "libs/contracts/third-party"])
    cpSync(join(root, made), join(copy, made), { recursive: true });
  linkPackages(root, copy);
  const env = childEnvironment(copy);
  const run = async (command: string, args: readonly string[], timeoutMs = 120_000) => {
    try {
      return (await execute(command, args, { cwd: copy, env, timeout: timeoutMs, maxBuffer: 64 * 1024 ** 2 })).stdout;
    } catch (error) {
      const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
      throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause: error });
    }
  };
  await run("git", ["init", "--quiet"]);
  await run("git", ["add", "--all"]);
  const author = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
  await run("git", [...author, "commit", "--quiet", "--message=copy"]);
  return {
    root: copy,
    run,
    changes: async () => (await run("git", ["status", "--porcelain"])).split("\n").filter((line) => line !== ""),
  };
}

/** What runs in the copy has: its own tools first, and nothing of the test that runs it. */
export function childEnvironment(root: string): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return {
    ...env,
    PATH: `${join(root, "node_modules/.bin")}:${process.env["PATH"]}`,
    NX_DAEMON: "false",
    NX_WORKSPACE_ROOT_PATH: undefined,
    NO_COLOR: "1",
  };
}

/** By hard links, which cost nothing, where that can be done. npm writes its own list in place: that must be another file. */
function linkPackages(root: string, copy: string): void {
  const [from, to] = [join(root, "node_modules"), join(copy, "node_modules")];
  try {
    execFileSync("cp", ["-al", from, to], { stdio: "pipe" });
  } catch {
    execFileSync("cp", ["-a", from, copy], { stdio: "pipe" });
  }
  for (const name of readdirSync(from).filter((name) => /^\.package-lock/.test(name))) {
    execFileSync("rm", ["-f", join(to, name)]);
    copyFileSync(join(from, name), join(to, name));
  }
}
