import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import { testedPool } from "./tested-pool.ts";
import { Watermarks } from "./watermarks.ts";

test("is high from the high mark on until the pressure has fallen to the low one", () => {
  let pressure = 0;
  const watermarks = new Watermarks(() => pressure, { high: 2, low: 1 });
  const seen = [0, 1.5, 2, 1.5, 1.1, 1, 1.5, 1.9, 3, 0].map((value) => {
    pressure = value;
    return watermarks.isHigh;
  });
  assert.deepEqual(seen, [false, false, true, true, true, false, false, false, true, false]);
});

test("refuses marks that are not in order", () => {
  assert.throws(() => new Watermarks(() => 0, { high: 1, low: 1 }), /low must be a number from 0 to below high, 1/);
  assert.throws(() => new Watermarks(() => 0, { high: 1, low: -1 }), RangeError);
  assert.throws(() => new Watermarks(() => 0, { high: Number.NaN, low: 0 }), RangeError);
});

test("a pool's pressure is what is lent and waited for, by the most that it can lend", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { max: 2, concurrency: 2 });
  assert.equal(pool.pressure, 0);
  const leases = await Promise.all([1, 2].map(() => pool.acquire()));
  assert.equal(pool.pressure, 0.5);
  for (let n = 0; n < 6; n += 1) void pool.acquire();
  await clock.advance(0);
  assert.equal(pool.pressure, 2);
  for (const lease of leases) lease.release();
  assert.equal(pool.pressure, 1.5);
});
