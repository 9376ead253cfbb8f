import assert from "node:assert/strict";
import { test } from "node:test";
import { PeakEwma } from "./peak-ewma.ts";

test("of what nothing is known, what is typical is expected", () => {
  assert.equal(new PeakEwma(1_000).read(5, 40), 40);
});

test("jumps to a longer duration at once, and forgets it slowly", () => {
  const latency = new PeakEwma(1_000);
  latency.observe(10, 0);
  latency.observe(100, 10);
  assert.equal(latency.read(10, 10), 100);
  latency.observe(10, 110);
  assert.ok(latency.read(110, 10) > 85);
  for (let now = 120; now < 10_000; now += 10) latency.observe(10, now);
  assert.ok(latency.read(10_000, 10) < 11);
});

test("drifts towards half of what is typical while nothing is heard, from above and from below", () => {
  const slow = new PeakEwma(1_000);
  const fast = new PeakEwma(1_000);
  slow.observe(100, 0);
  fast.observe(1, 0);
  assert.ok(Math.abs(slow.read(1_000, 20) - (10 + 90 / Math.E)) < 1e-9);
  assert.ok(Math.abs(fast.read(1_000, 20) - (10 - 9 / Math.E)) < 1e-9);
  assert.ok(Math.abs(slow.read(60_000, 20) - 10) < 1e-9);
});
