import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { TokenBucket } from "./token-bucket.ts";

const clockAndBucket = (perSecond: number, burst: number) => {
  const clock = new VirtualClock();
  return { clock, bucket: new TokenBucket({ perSecond, burst, now: () => clock.now() }) };
};

const step = fc.record({
  waitMs: fc.integer({ min: 0, max: 3_000 }),
  cost: fc.oneof(fc.constant(1), fc.double({ min: 0.1, max: 12, noNaN: true })),
  change: fc.option(
    fc.record({ perSecond: fc.double({ min: 0.1, max: 1_000, noNaN: true }), burst: fc.integer({ min: 1, max: 50 }) }),
    { freq: 10, nil: undefined },
  ),
});

test("in any time t no more than burst + rate * t passes, whatever is asked for and changed", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.double({ min: 0.1, max: 1_000, noNaN: true }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(step, { minLength: 1, maxLength: 100 }),
      async (perSecond, burst, steps) => {
        const { clock, bucket } = clockAndBucket(perSecond, burst);
        let [rate, most] = [perSecond, burst];
        /** What the rates since the beginning add up to. */
        let refilled = 0;
        const passed: { refilled: number; burst: number; cost: number }[] = [];
        for (const { waitMs, cost, change } of steps) {
          await clock.advance(waitMs);
          refilled += (rate * waitMs) / 1_000;
          if (change !== undefined) {
            bucket.setOptions(change);
            [rate, most] = [change.perSecond, change.burst];
          }
          while (bucket.tryAcquire(cost) === 0) passed.push({ refilled, burst: most, cost });
        }
        for (const [index, first] of passed.entries()) {
          let sum = 0;
          for (const last of passed.slice(index)) {
            sum += last.cost;
            const allowed = first.burst + last.refilled - first.refilled;
            assert.ok(sum <= allowed + 1e-6, `${sum} passed where ${allowed} may`);
          }
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("what was refused passes after as long as was answered, and not a millisecond before", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.double({ min: 0.01, max: 2_000, noNaN: true }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.double({ min: 0.1, max: 20, noNaN: true }), { minLength: 1, maxLength: 20 }),
      async (perSecond, burst, costs) => {
        const { clock, bucket } = clockAndBucket(perSecond, burst);
        for (const cost of costs) {
          const waitMs = bucket.tryAcquire(cost);
          assert.equal(waitMs === Number.POSITIVE_INFINITY, cost > burst);
          if (waitMs === 0 || waitMs === Number.POSITIVE_INFINITY) continue;
          assert.ok(Number.isInteger(waitMs) && waitMs > 0);
          await clock.advance(waitMs - 1);
          const restMs = bucket.tryAcquire(cost);
          assert.ok(restMs === 1 || restMs === 2, `${restMs} ms are left of ${waitMs}`);
          await clock.advance(1);
          assert.equal(bucket.tryAcquire(cost), 0);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("answers hold, however rates and times round", () => {
  const random = randomFrom(1);
  const below = (n: number) => Math.floor(random() * n);
  let refused = 0;
  for (let run = 0; run < 2_000; run += 1) {
    let now = 0;
    const perSecond = [0.1, 0.3, 1 / 3, 0.7, 3, 7][below(6)] ?? 1;
    const bucket = new TokenBucket({ perSecond, burst: 1 + below(3), now: () => now });
    for (let call = 0; call < 10; call += 1) {
      now += below(2_000);
      const waitMs = bucket.tryAcquire();
      if (waitMs === 0) continue;
      refused += 1;
      now += waitMs;
      assert.equal(bucket.tryAcquire(), 0, `refused for ${waitMs} ms, at ${perSecond} a second, in run ${run}`);
    }
  }
  assert.ok(refused > 1_000);
});

test("lets a burst through, then one for each token that comes back", async () => {
  const { clock, bucket } = clockAndBucket(0.5, 3);
  assert.deepEqual([bucket.tryAcquire(2), bucket.tryAcquire(), bucket.tryAcquire()], [0, 0, 2_000]);
  await clock.advance(1_000);
  assert.equal(bucket.tryAcquire(), 1_000);
  await clock.advance(1_000);
  assert.deepEqual([bucket.tryAcquire(), bucket.tryAcquire()], [0, 2_000]);
});

test("is idle once all has come back", async () => {
  const { clock, bucket } = clockAndBucket(1, 2);
  assert.equal(bucket.isIdle(), true);
  bucket.tryAcquire();
  assert.equal(bucket.isIdle(), false);
  await clock.advance(999);
  assert.equal(bucket.isIdle(), false);
  await clock.advance(1);
  assert.equal(bucket.isIdle(), true);
});

test("a larger burst fills at the rate, a smaller one counts at once", async () => {
  const { clock, bucket } = clockAndBucket(1, 2);
  bucket.tryAcquire(2);
  bucket.setOptions({ burst: 100 });
  assert.equal(bucket.tryAcquire(), 1_000);
  bucket.setOptions({ perSecond: 10 });
  assert.equal(bucket.tryAcquire(), 100);
  await clock.advance(10_000);
  bucket.setOptions({ burst: 1 });
  assert.deepEqual(
    [bucket.tryAcquire(2), bucket.tryAcquire(), bucket.tryAcquire()],
    [Number.POSITIVE_INFINITY, 0, 100],
  );
});

test("names the option that is out of range, and then changes nothing", () => {
  assert.throws(() => new TokenBucket({ perSecond: 0 }), /^RangeError: perSecond must be a number above 0 to/);
  assert.throws(() => new TokenBucket({ perSecond: Number.NaN }), /perSecond/);
  assert.throws(
    () => new TokenBucket({ perSecond: 1, burst: 0.5 }),
    /^RangeError: burst must be a whole number from 1/,
  );
  const { bucket } = clockAndBucket(1, 1);
  assert.throws(() => bucket.setOptions({ perSecond: 5, burst: 0 }), /burst/);
  bucket.tryAcquire();
  assert.equal(bucket.tryAcquire(), 1_000);
  for (const cost of [0, -1, Number.NaN]) assert.throws(() => bucket.tryAcquire(cost), /cost must be a number above 0/);
});
