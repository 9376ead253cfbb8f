import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "@shoal/testkit";

test("files are chosen by a part of their path, and to choose none is a mistake", async (t) => {
  const cwd = await temporaryDirectory(t);
  mkdirSync(join(cwd, "src"));
  for (const name of ["ids", "money"])
    writeFileSync(join(cwd, `src/${name}.test.ts`), 'import { test } from "node:test";\ntest("x", () => {});\n');
  const run = (...filters: readonly string[]) => {
    const args = [join(import.meta.dirname, "run-tests.ts"), ...filters];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: "utf8" });
    return { status, said: `${stdout}${stderr}` };
  };
  const chosen = run("ids");
  assert.equal(chosen.status, 0, chosen.said);
  assert.match(chosen.said, /^1 passed, 0 failed, 0 skipped$/m);
  assert.match(run().said, /^2 passed, 0 failed, 0 skipped$/m);
  assert.deepEqual(run("clock"), { status: 1, said: "no test file of this project has clock in its path\n" });
});
