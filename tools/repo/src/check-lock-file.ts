import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CheckResult } from "./check-result.ts";
import { missingEntries } from "./lock-file.ts";
import { workspaceRoot } from "./workspace.ts";

/** Checks that package-lock.json has every platform's packages, without which `npm ci` refuses it. */
export async function checkLockFile(): Promise<CheckResult> {
  const missing = missingEntries(JSON.parse(readFileSync(join(workspaceRoot, "package-lock.json"), "utf8")));
  const names = Object.keys(missing);
  return { ok: names.length === 0, details: `Run \`npm run lock\`. Missing:\n${names.join("\n")}` };
}
