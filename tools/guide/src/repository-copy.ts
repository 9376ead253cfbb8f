import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** What is in no commit, but made by an installation: code and protos that are written over again. */
const generated = ["libs/contracts/gen", "libs/contracts/third-party"];

/** What programs write to where it is: a copy must be one of its own. */
const written = new Set([".cache", ".package-lock.json"]);

/**
 * Makes `to`, an empty folder, a checkout of the repository at `root` as it is now, installed and with everything committed. What is
 * done there changes nothing here.
 */
export function copyRepository(root: string, to: string): void {
  const git = (cwd: string, ...args: string[]) => execFileSync("git", args, { cwd, encoding: "utf8", stdio: "pipe" });
  const files = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0");
  for (const path of [...files, ...generated, "node_modules/.package-lock.json"]) {
    // When they were made counts: code that is older than its contract is made anew. A file that is deleted may be listed.
    if (path !== "" && existsSync(join(root, path)))
      cpSync(join(root, path), join(to, path), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  }
  linkModules(join(root, "node_modules"), join(to, "node_modules"));
  git(to, "init", "--quiet");
  git(to, "add", "--all");
  const author = ["-c", "user.name=A reader", "-c", "user.email=reader@example.com", "-c", "commit.gpgSign=false"];
  git(to, ...author, "commit", "--quiet", "--no-verify", "--message=A copy");
}

/** Links the files of installed packages, which nobody writes to; copies them where `to` is on another disk. */
function linkModules(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  const packages = readdirSync(from).filter((name) => !written.has(name));
  const copy = (how: string) => execFileSync("cp", [how, ...packages, to], { cwd: from, stdio: "pipe" });
  try {
    copy("-al");
  } catch {
    copy("-af");
  }
}
