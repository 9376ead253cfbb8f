import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";

const main = new URL("main.ts", import.meta.url).pathname;

function run(...args: string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { timeout: 30_000, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test("runs seeds and says what has happened; two processes have the same history", async () => {
  const [one, other] = [await run("--seed", "3", "--trace"), await run("--seed", "3", "--trace")];
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
