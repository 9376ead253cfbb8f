import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { repositoryRoot } from "@shoal/services";
import { applyChange } from "./apply-change.ts";
import { namedBlocksIn } from "./markdown.ts";

/** A copy of `libs/discovery` to which what the page says has been done. */
async function discoveryWithDriver(t: TestContext): Promise<string> {
  // In this package, where its imports are found; and ignored by git.
  const results = join(import.meta.dirname, "../test-results");
  await mkdir(results, { recursive: true });
  const folder = await mkdtemp(join(results, "driver-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(join(repositoryRoot, "libs/discovery/src"), join(folder, "src"), { recursive: true });
  await cp(join(repositoryRoot, "libs/discovery/package.json"), join(folder, "package.json"));
  const page = await readFile(join(repositoryRoot, "docs/add-a-driver.md"), "utf8");
  for (const { file, language, code } of namedBlocksIn(page)) {
    const path = join(folder, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, language === "diff" ? applyChange(await readFile(path, "utf8"), code) : code);
  }
  return folder;
}

/** Runs a tool that must succeed; answers what it prints. */
function run(cwd: string, command: string, ...args: string[]): string {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const path = `${join(repositoryRoot, "node_modules/.bin")}:${env["PATH"]}`;
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8", env: { ...env, PATH: path } });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return stdout;
}

test("the driver of docs/add-a-driver.md compiles, is formatted as all else, and passes the suite", async (t) => {
  const folder = await discoveryWithDriver(t);
  const driver = "src/drivers/file/file-registry.ts";
  const suite = "src/drivers/file/file-registry.int.test.ts";
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: join(repositoryRoot, "tsconfig.json"), include: ["src"] }),
  );
  run(folder, "tsc", "--noEmit", "--project", folder);
  for (const file of [driver, suite, "src/registry-url.ts", "src/open-registry.ts"])
    run(folder, "biome", "check", "--vcs-enabled=false", file);
  const report = run(folder, "node", "--test", "--test-timeout=60000", "--test-reporter=tap", suite);
  // Node runs no tests within tests, and calls that a success.
  assert.match(report, /^ok \d+ - file: tells each watcher of changes/m);
});
