// `npm run deploy`: writes the files in deploy/ that tell of every service, from what the services say of themselves in their
// package.json. `--check` writes nothing, names those that are out of date, and fails where there are any.
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readServices, repositoryRoot } from "@shoal/services";
import { deployFiles, writtenFolders } from "./deploy-files.ts";

const files = deployFiles(readServices(repositoryRoot));
const left = writtenFolders
  .flatMap((folder) => globSync(`${folder}/*`, { cwd: repositoryRoot }))
  .filter((path) => !files.has(path));
const changed = [...files].filter(([path, text]) => textOf(path) !== text).map(([path]) => path);
if (process.argv.includes("--check")) {
  const outOfDate = [...left, ...changed].sort();
  if (outOfDate.length > 0) {
    console.log(`Out of date; run \`npm run deploy\`:\n${outOfDate.join("\n")}`);
    process.exitCode = 1;
  }
} else {
  for (const path of left) rmSync(join(repositoryRoot, path));
  for (const path of changed) {
    mkdirSync(dirname(join(repositoryRoot, path)), { recursive: true });
    writeFileSync(join(repositoryRoot, path), files.get(path) ?? "");
  }
  for (const path of [...left, ...changed].sort()) console.log(path);
}

function textOf(path: string): string | undefined {
  const file = join(repositoryRoot, path);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}
