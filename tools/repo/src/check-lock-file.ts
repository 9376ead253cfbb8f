import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CheckResult } from "./check-result.ts";
import { type LockFile, missingEntries } from "./lock-file.ts";
import { packageFolders, workspaceRoot } from "./workspace.ts";

/** Checks that package-lock.json has every platform's packages, without which `npm ci` refuses it, and ours alone. */
export async function checkLockFile(): Promise<CheckResult> {
  const lock: LockFile = JSON.parse(readFileSync(join(workspaceRoot, "package-lock.json"), "utf8"));
  const folders = packageFolders();
  const wrong = [
    ...Object.keys(missingEntries(lock)).map((path) => `${path} is missing`),
    ...folders.filter((folder) => !(folder in lock.packages)).map((folder) => `${folder} is missing`),
    ...Object.keys(lock.packages)
      .filter((path) => /^(libs|apps|tools)\//.test(path) && !existsSync(join(workspaceRoot, path)))
      .map((path) => `${path} is not in this repository`),
  ];
  return { ok: wrong.length === 0, details: `Run \`npm run lock\`:\n${wrong.join("\n")}` };
}
