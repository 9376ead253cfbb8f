// `npm run lock`: adds to package-lock.json the packages of other platforms that npm has left out (see lock-file.ts).
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type LockFile, missingEntries } from "./lock-file.ts";
import { workspaceRoot } from "./workspace.ts";

const path = join(workspaceRoot, "package-lock.json");
const lock: LockFile = JSON.parse(readFileSync(path, "utf8"));
const missing = missingEntries(lock);
const { "": rootEntry, ...others } = { ...lock.packages, ...missing };
const sorted = Object.entries(others).sort(([a], [b]) => a.localeCompare(b, "en"));
const packages = { "": rootEntry, ...Object.fromEntries(sorted) };
writeFileSync(path, `${JSON.stringify({ ...lock, packages }, undefined, 2)}\n`);
console.log(`${Object.keys(missing).length} packages of other platforms added to package-lock.json.`);
