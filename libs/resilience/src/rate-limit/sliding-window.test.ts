import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { SlidingWindow, type SlidingWindowOptions } from "./sliding-window.ts";

const clockAndWindow = (options: SlidingWindowOptions, clock = new VirtualClock()) => ({
  clock,
  window: new SlidingWindow({ ...options, now: () => clock.now() }),
});

test("in no window more than the limit passes, and what is refused had no room in a window one part longer", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 2_000 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: -5_000, max: 5_000 }),
      fc.array(
        fc.tuple(fc.integer({ min: 0, max: 700 }), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 4 })),
        {
          maxLength: 60,
        },
      ),
      async (limit, windowMs, parts, beginning, steps) => {
        const { clock, window } = clockAndWindow({ limit, windowMs, parts }, new VirtualClock(beginning));
        const passed: { at: number; cost: number }[] = [];
        const passedSince = (since: number) =>
          passed.filter(({ at }) => at > since).reduce((sum, { cost }) => sum + cost, 0);
        for (const [waitMs, times, cost] of steps) {
          await clock.advance(waitMs);
          for (let time = 0; time < times; time += 1) {
            if (window.tryAcquire(cost) === 0) passed.push({ at: clock.now(), cost });
            else
              assert.ok(
                passedSince(clock.now() - windowMs * (1 + 1 / parts) - 1e-6) + cost > limit,
                "refused for nothing",
              );
            assert.ok(passedSince(clock.now() - windowMs + 1e-6) <= limit, "more than the limit passed");
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
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 5_000 }),
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 1, max: 10 })), {
        minLength: 1,
        maxLength: 40,
      }),
      async (limit, windowMs, parts, steps) => {
        const { clock, window } = clockAndWindow({ limit, windowMs, parts });
        for (const [pauseMs, cost] of steps) {
          await clock.advance(pauseMs);
          const waitMs = window.tryAcquire(cost);
          assert.equal(waitMs === Number.POSITIVE_INFINITY, cost > limit);
          if (waitMs === 0 || waitMs === Number.POSITIVE_INFINITY) continue;
          assert.ok(Number.isInteger(waitMs) && waitMs > 0);
          await clock.advance(waitMs - 1);
          // Where parts begin at fractions of milliseconds, an answer is a millisecond too long at times.
          if (windowMs % parts === 0) assert.equal(window.tryAcquire(cost), 1);
          await clock.advance(1);
          assert.equal(window.tryAcquire(cost), 0);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("answers hold, however windows divide", () => {
  const random = randomFrom(1);
  for (let run = 0; run < 5_000; run += 1) {
    let now = Math.floor(random() * 1_000_000);
    const windowMs = 1 + Math.floor(random() * 5_000);
    const parts = 1 + Math.floor(random() * 12);
    const window = new SlidingWindow({ limit: 1, windowMs, parts, now: () => now });
    assert.equal(window.tryAcquire(), 0);
    const waitMs = window.tryAcquire();
    now += waitMs;
    assert.equal(window.tryAcquire(), 0, `refused for ${waitMs} ms of ${windowMs} in ${parts} parts, in run ${run}`);
  }
});

test("lets no second limit through where two counters would: at the end of one window and the beginning of the next", async () => {
  const { clock, window } = clockAndWindow({ limit: 10, windowMs: 1_000, parts: 10 }, new VirtualClock(0));
  await clock.advance(990);
  for (let n = 0; n < 10; n += 1) assert.equal(window.tryAcquire(), 0);
  for (let now = 1_000; now < 1_990; now += 10) {
    await clock.advance(10);
    assert.notEqual(window.tryAcquire(), 0, `at ${now}`);
  }
});

test("is idle once all is forgotten, fractions included", async () => {
  const { clock, window } = clockAndWindow({ limit: 10, windowMs: 1_000, parts: 4 }, new VirtualClock(0));
  for (const cost of [0.1, 0.2, 0.3]) {
    window.tryAcquire(cost);
    await clock.advance(250);
    assert.equal(window.isIdle(), false);
  }
  await clock.advance(500);
  for (let n = 0; n < 2; n += 1) {
    assert.equal(window.isIdle(), false);
    await clock.advance(250);
  }
  assert.equal(window.isIdle(), true);
});

test("what has passed still counts after a change of limit or window", async () => {
  const { clock, window } = clockAndWindow({ limit: 4, windowMs: 1_000, parts: 10 }, new VirtualClock(0));
  window.tryAcquire(4);
  window.setOptions({ limit: 6 });
  assert.deepEqual([window.tryAcquire(2), window.tryAcquire()], [0, 1_100]);
  window.setOptions({ windowMs: 100 });
  assert.equal(window.tryAcquire(), 110);
  window.setOptions({ windowMs: 60_000 });
  assert.equal(window.tryAcquire(), 66_000);
  await clock.advance(66_000);
  assert.equal(window.tryAcquire(6), 0);
  window.setOptions({ limit: 3 });
  assert.equal(window.tryAcquire(4), Number.POSITIVE_INFINITY);
});

test("names the option that is out of range, and then changes nothing", () => {
  assert.throws(() => new SlidingWindow({ limit: 0 }), /^RangeError: limit must be a whole number from 1/);
  assert.throws(() => new SlidingWindow({ limit: 1, windowMs: 0 }), /^RangeError: windowMs must/);
  assert.throws(() => new SlidingWindow({ limit: 1, parts: 1_001 }), /^RangeError: parts must be .* from 1 to 1000/);
  const { window } = clockAndWindow({ limit: 1 });
  assert.throws(() => window.setOptions({ limit: 5, windowMs: -1 }), /windowMs/);
  assert.equal(window.tryAcquire(2), Number.POSITIVE_INFINITY);
  for (const cost of [0, -1, Number.NaN]) assert.throws(() => window.tryAcquire(cost), /cost must be a number above 0/);
});
