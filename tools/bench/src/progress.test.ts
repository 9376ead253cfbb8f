import assert from "node:assert/strict";
import { test } from "node:test";
import { showProgress } from "./progress.ts";

function shown(isTTY: boolean): string[] {
  const written: string[] = [];
  const progress = showProgress({ isTTY, write: (text) => written.push(text) });
  for (const doing of ["starting", "round 1: a", "round 1: b", "round 2: a"]) progress.show(doing);
  progress.end();
  return written;
}

test("has a line for each step where there is no terminal", () => {
  assert.deepEqual(shown(false), ["starting\n", "round 1\n", "round 2\n"]);
});

test("writes over its own line on a terminal, and removes it in the end", () => {
  const texts = shown(true);
  assert.equal(texts.length, 5);
  assert.equal(texts[2], "\rround 1: b\u001b[K");
  assert.equal(texts[4], "\r\u001b[K");
});
