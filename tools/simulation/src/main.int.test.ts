import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";

const main = new URL("main.ts", import.meta.url).pathname;

function run(...args: string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { timeout: 100_000, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** As many as the suite has time for; in a process of its own, as Node's test runner watches each promise of its own one. */
const seeds = 300;

test(`nothing that must not be happens in the first ${seeds} runs`, async () => {
  const { code, stdout, stderr } = await run("--seeds", String(seeds));
  assert.equal(code, 0, stdout + stderr);
  const [, orders, confirmed] = /: [\d,]+ events, ([\d,]+) orders, ([\d,]+) of them confirmed\n$/.exec(stdout) ?? [];
  const inNumbers = (text = "0") => Number(text.replaceAll(",", ""));
  // Else nothing was tried.
  assert.ok(inNumbers(orders) > 1.5 * seeds, stdout);
  assert.ok(inNumbers(confirmed) > 0.5 * seeds, stdout);
});

test("says what has happened; two processes have the same history", async () => {
  const [one, other] = await Promise.all([run("--seed", "3", "--trace"), run("--seed", "3", "--trace")]);
  assert.deepEqual([one.code, one.stderr], [0, ""]);
  const withoutTime = (text: string) => text.replace(/in [\d.]+ s/, "");
  assert.equal(withoutTime(one.stdout), withoutTime(other.stdout));
  assert.match(
    one.stdout,
    /\n1 seeds, 0 with violations, in [\d.]+ s: [\d,]+ events, \d+ orders, \d+ of them confirmed\n$/,
  );
});

test("says what is wrong with its arguments", async () => {
  const { code, stderr } = await run("--seeds", "many");
  assert.equal(code, 2);
  assert.match(stderr, /^--seeds must be a whole number from 1 to 100000000, not "many"\n/);
});
