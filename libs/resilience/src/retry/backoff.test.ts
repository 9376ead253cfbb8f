import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { jitteredBackoffMs } from "./backoff.ts";

const bounds = { initialBackoffMs: 100, maxBackoffMs: 1_000, backoffMultiplier: 2 };

test("the bound grows by the multiplier up to the longest pause", () => {
  const longest = [1, 2, 3, 4, 5, 50, 5_000].map((failures) => jitteredBackoffMs(failures, bounds, () => 1));
  assert.deepEqual(longest, [100, 200, 400, 800, 1_000, 1_000, 1_000]);
});

test("no pause is longer than the longest, the first one neither", () => {
  assert.equal(
    jitteredBackoffMs(1, { ...bounds, maxBackoffMs: 30 }, () => 1),
    30,
  );
});

test("pauses are spread evenly from 0 to the bound", () => {
  const random = randomFrom(1);
  const counts = new Array<number>(10).fill(0);
  for (let n = 0; n < 10_000; n += 1) {
    const slot = Math.floor(jitteredBackoffMs(2, bounds, random) / 20);
    counts[slot] = (counts[slot] ?? 0) + 1;
  }
  assert.equal(counts.length, 10);
  for (const count of counts) assert.ok(Math.abs(count - 1_000) < 150, String(counts));
});
