import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBar, formatLine, type ProgressOutput, showProgress } from "./progress.ts";

test("a bar shows share, count, rate and the time left", () => {
  const bar = formatBar("placing", { done: 750, total: 3_000, elapsedMs: 1_500 }, 120);
  assert.equal(bar, `placing ${"█".repeat(6)}${"░".repeat(18)}  25 % 750/3,000, 500/s, 5 s left`);
});

test("a bar is cut to the terminal's width", () => {
  assert.equal(formatBar("placing", { done: 1, total: 2, elapsedMs: 1 }, 20).length, 19);
});

test("nothing to do is done, and no time is no rate", () => {
  assert.equal(formatLine("x", { done: 0, total: 0, elapsedMs: 0 }), "x 100 % 0/0, 0.0/s");
});

function recorded(isTTY: boolean) {
  const written: string[] = [];
  const output: ProgressOutput = { isTTY, columns: 100, write: (text) => written.push(text) };
  return { written, output };
}

test("without a terminal it writes one line for each tenth", () => {
  const { written, output } = recorded(false);
  const progress = showProgress("x", 1_000, output, () => 0);
  for (let done = 0; done < 1_000; done += 1) progress.advance();
  progress.end();
  assert.deepEqual(
    written.map((line) => line.split(" %")[0]?.trim()),
    ["x  10", "x  20", "x  30", "x  40", "x  50", "x  60", "x  70", "x  80", "x  90", "x 100"],
  );
});

test("on a terminal it draws the bar over itself, ten times a second at most, and removes it", () => {
  const { written, output } = recorded(true);
  let now = 0;
  const progress = showProgress("x", 1_000, output, () => now);
  for (let done = 0; done < 1_000; done += 1) {
    now += 1;
    progress.advance();
  }
  progress.end();
  assert.equal(written.length, 11);
  assert.ok(written.every((text) => text.startsWith("\r") && text.endsWith("\u001b[K")));
  assert.equal(written.at(-1), "\r\u001b[K");
});
