import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { createContext, isAppError, runWithContext } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { LeakyBucket, type LeakyBucketOptions } from "./leaky-bucket.ts";

const clockAndBucket = (options: LeakyBucketOptions) => {
  const clock = new VirtualClock(0);
  return { clock, bucket: new LeakyBucket({ ...options, clock, timers: clock }) };
};

const refusedFor = (retryAfterMs: number) => (error: unknown) =>
  isAppError(error, "RATE_LIMITED") && error.kind === "exhausted" && error.retryAfterMs === retryAfterMs;

test("callers go on in order and spaced by the rate, whoever gives up; nothing is left", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.double({ min: 0.5, max: 500, noNaN: true }),
      fc.array(
        fc.record({
          pauseMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2_000 })),
          cost: fc.constantFrom(1, 1, 2, 0.5),
          leaves: fc.option(fc.integer({ min: 0, max: 3_000 }), { nil: undefined }),
          timeoutMs: fc.constantFrom(0, 100, 10_000, 1_000_000),
          waits: fc.boolean(),
        }),
        { maxLength: 60 },
      ),
      async (perSecond, steps) => {
        const { clock, bucket } = clockAndBucket({ perSecond });
        const went: { number: number; at: number; cost: number }[] = [];
        let settled = 0;
        let late = 0;
        for (const [number, { pauseMs, cost, leaves, timeoutMs, waits }] of steps.entries()) {
          await clock.advance(pauseMs);
          if (!waits) {
            settled += 1;
            if (bucket.tryAcquire(cost) === 0) went.push({ number, at: clock.now(), cost });
            continue;
          }
          const controller = new AbortController();
          if (leaves !== undefined) clock.after(leaves, () => controller.abort(new Error("gave up")));
          const since = clock.now();
          bucket
            .acquire({ cost, signal: controller.signal, timeoutMs })
            .then(
              () => {
                went.push({ number, at: clock.now(), cost });
                if (clock.now() - since > timeoutMs + 1e-6) late += 1;
              },
              () => {},
            )
            .finally(() => {
              settled += 1;
            });
        }
        await clock.advance(1_000_000);
        assert.equal(settled, steps.length, "somebody is neither served nor refused");
        assert.equal(late, 0, "somebody waited for longer than it was ready to");
        assert.equal(clock.pending, 0);
        assert.equal(bucket.waiting, 0);
        for (const [index, { number, at }] of went.entries()) {
          const before = went[index - 1];
          if (before === undefined) continue;
          assert.ok(number > before.number, `${number} went after ${before.number}`);
          const spacingMs = (1_000 / perSecond) * before.cost;
          assert.ok(at - before.at >= spacingMs - 1e-6, `${at - before.at} ms after the one before, not ${spacingMs}`);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("the turn of one who leaves is the next one's, and the queue is as it was", async () => {
  const { clock, bucket } = clockAndBucket({ perSecond: 10 });
  const went: [string, number][] = [];
  const waits = (name: string, signal?: AbortSignal) =>
    bucket.acquire({ signal }).then(() => went.push([name, clock.now()]));
  const leaver = new AbortController();
  const all = [waits("a"), waits("b", leaver.signal), waits("c")];
  assert.deepEqual([bucket.waiting, bucket.tryAcquire()], [2, 300]);
  leaver.abort(new Error("gave up"));
  await assert.rejects(all[1] ?? Promise.resolve(), /gave up/);
  assert.deepEqual([bucket.waiting, bucket.tryAcquire()], [1, 200]);
  await clock.advance(1_000);
  assert.deepEqual(went, [
    ["a", 0],
    ["c", 100],
  ]);
});

test("100,000 who give up leave no timer, no listener, and no turn to wait for", async () => {
  const { clock, bucket } = clockAndBucket({ perSecond: 1, maxWaiting: 100_000, maxWaitMs: 1_000_000_000 });
  assert.equal(bucket.tryAcquire(), 0);
  const controllers = Array.from({ length: 100_000 }, () => new AbortController());
  const waits = controllers.map(({ signal }) => bucket.acquire({ signal }).catch(() => "left"));
  assert.equal(bucket.waiting, 100_000);
  assert.equal(clock.pending, 1);
  for (const controller of controllers) controller.abort();
  assert.deepEqual(new Set(await Promise.all(waits)), new Set(["left"]));
  assert.equal(bucket.waiting, 0);
  assert.equal(clock.pending, 0);
  for (const { signal } of controllers) assert.equal(getEventListeners(signal, "abort").length, 0);
  assert.equal(bucket.tryAcquire(), 1_000);
});

test("those who were served leave no listener", async () => {
  const { clock, bucket } = clockAndBucket({ perSecond: 10 });
  const { signal } = new AbortController();
  const waits = [bucket.acquire({ signal }), bucket.acquire({ signal }), bucket.acquire({ signal })];
  await clock.advance(200);
  await Promise.all(waits);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("refuses at once whom it has no room for, and whose turn would come too late", async () => {
  const { clock, bucket } = clockAndBucket({ perSecond: 10, maxWaiting: 2, maxWaitMs: 150 });
  await bucket.acquire();
  const first = bucket.acquire();
  await assert.rejects(bucket.acquire(), refusedFor(50));
  const second = bucket.acquire({ timeoutMs: 200 });
  await assert.rejects(bucket.acquire({ timeoutMs: 10_000 }), refusedFor(100));
  assert.equal(bucket.waiting, 2);
  await clock.advance(200);
  await Promise.all([first, second]);
});

test("one whose signal has aborted does not go on, even where its turn is now", async () => {
  const { bucket } = clockAndBucket({ perSecond: 10 });
  await assert.rejects(bucket.acquire({ signal: AbortSignal.abort(new Error("late")) }), /late/);
  assert.equal(bucket.tryAcquire(), 0);
});

test("one waits no longer than the call that is being served, unless it says so", async () => {
  const { clock, bucket } = clockAndBucket({ perSecond: 10 });
  const call = new AbortController();
  const context = createContext({ requestId: "the call", signal: call.signal, deadline: clock.now() + 250 });
  await runWithContext(context, async () => {
    await bucket.acquire();
    const first = bucket.acquire();
    const goesOn = bucket.acquire({ signal: null });
    // Its turn would come after the deadline.
    await assert.rejects(bucket.acquire({ timeoutMs: 10_000 }), refusedFor(50));
    assert.equal(bucket.waiting, 2);
    call.abort(new Error("the caller has gone"));
    await assert.rejects(first, /the caller has gone/);
    await assert.rejects(bucket.acquire(), /the caller has gone/);
    assert.equal(getEventListeners(call.signal, "abort").length, 0);
    await clock.advance(100);
    await goesOn;
  });
  assert.deepEqual([bucket.waiting, clock.pending], [0, 0]);
});

test("nobody who asks without waiting overtakes those who wait", async () => {
  const { clock, bucket } = clockAndBucket({ perSecond: 10 });
  await bucket.acquire();
  const waiting = [bucket.acquire(), bucket.acquire()];
  assert.equal(bucket.tryAcquire(), 300);
  await clock.advance(200);
  await Promise.all(waiting);
  assert.equal(bucket.tryAcquire(), 100);
});

test("of a timer that is late no more than 10 ms of turns are made up for", async () => {
  const clock = new VirtualClock(0);
  let skippedMs = 0;
  const timers = { now: () => clock.now() + skippedMs, after: clock.after.bind(clock) };
  const bucket = new LeakyBucket({ perSecond: 1_000, timers });
  let went = 0;
  for (let n = 0; n < 100; n += 1) void bucket.acquire().then(() => (went += 1));
  skippedMs = 50;
  await clock.advance(1);
  // The first went at once, and one of the turns is the one that comes now.
  assert.equal(went, 1 + 11);
});

test("a change of rate counts at once, for those who wait as well; who would wait too long is refused", async () => {
  const { clock, bucket } = clockAndBucket({ perSecond: 1, maxWaitMs: 5_000 });
  await bucket.acquire();
  const went: number[] = [];
  const waits = [1, 2, 3].map((n) => bucket.acquire().then(() => went.push(n)));
  await clock.advance(500);
  bucket.setOptions({ perSecond: 10 });
  await clock.advance(49);
  assert.deepEqual(went, []);
  await clock.advance(1);
  assert.deepEqual(went, [1]);
  bucket.setOptions({ perSecond: 0.25 });
  await assert.rejects(waits[2] ?? Promise.resolve(), refusedFor(8_000 - 4_450));
  await clock.advance(4_000);
  assert.deepEqual(went, [1, 2]);
  assert.equal(clock.pending, 0);
});

test("is idle when nobody waits and the next turn is now", async () => {
  const { clock, bucket } = clockAndBucket({ perSecond: 10 });
  assert.equal(bucket.isIdle(), true);
  bucket.tryAcquire(2);
  await clock.advance(199);
  assert.equal(bucket.isIdle(), false);
  await clock.advance(1);
  assert.equal(bucket.isIdle(), true);
});

test("waits in the machine's time too", async () => {
  const bucket = new LeakyBucket({ perSecond: 1_000 });
  const began = performance.now();
  // The machine's timers do not keep the process alive.
  const alive = setInterval(() => {}, 1_000);
  for (let n = 0; n < 20; n += 1) await bucket.acquire();
  clearInterval(alive);
  assert.ok(performance.now() - began >= 9, "twenty turns took less than ten of them");
});

test("names the option that is out of range, and then changes nothing", async () => {
  assert.throws(() => new LeakyBucket({ perSecond: -1 }), /^RangeError: perSecond must/);
  assert.throws(() => new LeakyBucket({ perSecond: 1, maxWaiting: -1 }), /^RangeError: maxWaiting must/);
  assert.throws(() => new LeakyBucket({ perSecond: 1, maxWaitMs: 0.5 }), /^RangeError: maxWaitMs must/);
  const { bucket } = clockAndBucket({ perSecond: 1 });
  assert.throws(() => bucket.setOptions({ perSecond: 100, maxWaiting: -1 }), /maxWaiting/);
  for (const cost of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => bucket.tryAcquire(cost), /cost must be a number above 0/);
    await assert.rejects(bucket.acquire({ cost }), /cost must be a number above 0/);
  }
  bucket.tryAcquire();
  assert.equal(bucket.tryAcquire(), 1_000);
});
