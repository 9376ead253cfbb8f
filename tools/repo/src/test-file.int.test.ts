import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { temporaryDirectory } from "@shoal/testkit";
import { runTestFile, type TestFileResult } from "./test-file.ts";

/** Runs a test file with the given source, with short limits. */
async function run(t: TestContext, source: string): Promise<TestFileResult> {
  const cwd = await temporaryDirectory(t);
  writeFileSync(join(cwd, "a.test.ts"), `import { describe, test } from "node:test";\n${source}`);
  return await runTestFile("a.test.ts", { cwd, testTimeoutMs: 500, lingerMs: 700 });
}

test("counts each leaf test once", async (t) => {
  const { counts, skips } = await run(
    t,
    `
test("one", () => {});
test("holds two", async (t) => {
  await t.test("two", () => {});
  await t.test("three", () => {});
});
describe("suite", () => {
  test("four", () => {});
  test("five", { skip: "no server" }, () => {});
  test.todo("six");
});`,
  );
  assert.deepEqual(counts, { passed: 4, failed: 0, skipped: 2 });
  assert.deepEqual(skips[0], { name: "suite > five", line: 10, detail: "no server" });
});

test("counts a failure once, however deep, with its place and its error", async (t) => {
  const { counts, failures } = await run(
    t,
    `describe("suite", () => { test("parent", async (t) => { await t.test("child", () => { throw new Error("no"); }); }); });`,
  );
  assert.deepEqual(counts, { passed: 0, failed: 1, skipped: 0 });
  assert.equal(failures[0]?.name, "suite > parent > child");
  assert.equal(failures[0]?.line, 2);
  assert.match(failures[0]?.detail ?? "", /Error: no\n/);
});

test("counts a parent that fails by itself beside its passing child", async (t) => {
  const { counts } = await run(t, `test("p", async (t) => { await t.test("c", () => {}); throw new Error("no"); });`);
  assert.deepEqual(counts, { passed: 1, failed: 1, skipped: 0 });
});

const failing: readonly (readonly [name: string, source: string, message: RegExp])[] = [
  ["a test that takes too long", `test("a", () => new Promise((r) => setTimeout(r, 60_000).unref()));`, /timed out/],
  ["a test that ends its process", `test("a", () => process.exit(0));`, /in the middle of its tests \(exit code 0\)/],
  ["a file that throws", `throw new Error("broken file");`, /in the middle of its tests \(exit code \d+\)/],
  ["a file that does not parse", "const = 1;", /in the middle of its tests/],
  [
    "a failure after its test's end",
    `test("a", () => { setTimeout(() => { throw new Error("late"); }, 50); });`,
    /late/,
  ],
];
for (const [name, source, message] of failing) {
  test(`fails: ${name}`, async (t) => {
    const { failures } = await run(t, source);
    assert.equal(failures.length, 1);
    assert.match(failures[0]?.detail ?? "", message);
  });
}

test("ends and fails a file that leaves something open", async (t) => {
  const { counts, failures } = await run(t, `test("a", () => { setInterval(() => {}, 1000); });`);
  assert.deepEqual(counts, { passed: 1, failed: 1, skipped: 0 });
  assert.match(failures[0]?.detail ?? "", /something is left open/);
});

test("fails a file that leaves a process running", async (t) => {
  const { counts, failures } = await run(
    t,
    `import { spawn } from "node:child_process";
test("a", () => { spawn("sleep", ["3"], { stdio: "inherit" }).unref(); });`,
  );
  assert.deepEqual(counts, { passed: 1, failed: 1, skipped: 0 });
  assert.match(failures[0]?.detail ?? "", /left a process running/);
});

test("keeps what a file wrote", async (t) => {
  const { output } = await run(t, `console.log("out"); console.error("err");`);
  assert.deepEqual(output.trim().split("\n").sort(), ["err", "out"]);
});
