import assert from "node:assert/strict";
import { test } from "node:test";
import { PeakEwma } from "./peak-ewma.ts";

/** One whose calls of 100 ms, one after the other, are slow beside what is typical, 10 ms; the last ends at 0. */
function slowAllAlong(decayMs: number): PeakEwma {
  const latency = new PeakEwma(decayMs);
  for (const endedAt of [-300, -200, -100, 0]) latency.observe(100, endedAt, 10);
  return latency;
}

test("of what nothing is known, what is typical is expected", () => {
  assert.equal(new PeakEwma(1_000).read(5, 40), 40);
});

test("jumps to a longer duration at once, and forgets it slowly", () => {
  const latency = slowAllAlong(1_000);
  assert.equal(latency.read(0, 10), 100);
  latency.observe(10, 100, 10);
  assert.ok(latency.read(100, 10) > 85);
  for (let now = 110; now < 10_000; now += 10) latency.observe(10, now, 10);
  assert.ok(latency.read(10_000, 10) < 11);
});

test("what was slow once is forgotten soon, what was so again and again is not; calls that were slow together count once", () => {
  const once = new PeakEwma(1_000);
  once.observe(100, 0, 10);
  const together = new PeakEwma(1_000);
  for (const endedAt of [-3, -2, -1, 0]) together.observe(100, endedAt, 10);
  for (const latency of [once, together]) assert.ok(latency.read(1_000, 10) < 20, String(latency.read(1_000, 10)));
  assert.ok(slowAllAlong(1_000).read(1_000, 10) > 35);
  // One that was quick has made an end of it.
  const again = slowAllAlong(1_000);
  again.observe(10, 10, 10);
  again.observe(100, 200, 10);
  assert.ok(again.read(1_200, 10) < 20);
});

test("one slow call is remembered for an eighth of the time, and for twice as long with each further one in a row", () => {
  for (const [calls, memory] of [
    [1, 1 / 8],
    [2, 1 / 4],
    [3, 1 / 2],
    [4, 1],
    [5, 1],
  ] as const) {
    const latency = new PeakEwma(1_000);
    for (let call = 1; call <= calls; call += 1) latency.observe(100, call * 100, 10);
    const remembered = 5 + 95 * Math.exp(-100 / (1_000 * memory));
    const expected = latency.read(calls * 100 + 100, 10);
    assert.ok(Math.abs(expected - remembered) < 1e-9, `${calls} calls: ${expected}, not ${remembered}`);
  }
});

test("drifts towards half of what is typical while nothing is heard, from above and from below", () => {
  const slow = slowAllAlong(1_000);
  const fast = new PeakEwma(8_000);
  fast.observe(1, 0, 20);
  assert.ok(Math.abs(slow.read(1_000, 20) - (10 + 90 / Math.E)) < 1e-9);
  assert.ok(Math.abs(fast.read(1_000, 20) - (10 - 9 / Math.E)) < 1e-9);
  assert.ok(Math.abs(slow.read(60_000, 20) - 10) < 1e-9);
});
