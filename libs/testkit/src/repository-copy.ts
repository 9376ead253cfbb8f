import { execFile, execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
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
  const made = ["libs/contracts/gen", "libs/contracts/third-party", "node_modules/.package-lock.json"];
  for (const path of [...listed.split("\0"), ...made]) {
    // A file that is deleted may be listed. When files were made counts: code that is older than its contract is made anew.
    if (path !== "" && existsSync(join(root, path)))
      cpSync(join(root, path), join(copy, path), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  }
  linkPackages(join(root, "node_modules"), join(copy, "node_modules"));
  mkdirSync(join(copy, dirname(compiledFolder)));
  // What vanishes meanwhile is compiled again.
  spawnSync("cp", ["-alT", join(root, compiledFolder), join(copy, compiledFolder)], { stdio: "ignore" });
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
  const author = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgSign=false"];
  await run("git", [...author, "commit", "--quiet", "--no-verify", "--message=copy"]);
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
    // By default all checkouts of a repository share one.
    NX_CACHE_DIRECTORY: join(root, ".nx/cache"),
    NX_WORKSPACE_ROOT_PATH: undefined,
    NO_COLOR: "1",
    ...compileCache(root),
  };
}

/** Where test files' processes have what they compile: tools/repo/src/test-file.ts. */
const compiledFolder = "node_modules/.cache/compiled";

/** Has processes in the repository at `root` use what is compiled already, by the tests of the repository that it is a copy of too. */
export function compileCache(root: string): NodeJS.ProcessEnv {
  return { NODE_COMPILE_CACHE: join(root, compiledFolder), NODE_COMPILE_CACHE_PORTABLE: "1" };
}

/** What programs write to where it is: a copy must have its own. */
const written = new Set([".cache", ".package-lock.json"]);

/** By hard links, which cost nothing; copies them where `to` is on another disk. */
function linkPackages(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  const packages = readdirSync(from).filter((name) => !written.has(name));
  const copy = (how: string) => execFileSync("cp", [how, ...packages, to], { cwd: from, stdio: "pipe" });
  try {
    copy("-al");
  } catch {
    copy("-af");
  }
}
