import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { type CallContext, createContext, currentContext, runWithContext } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import { BatchMismatchError } from "./batch.ts";
import { Batcher } from "./batcher.ts";
import type { BatchDone, BatcherOptions, ItemResult } from "./batcher-options.ts";
import { TestedWork } from "./fixture-work.ts";
import { ClosedError, QueueFullError, WaitTimeoutError } from "./refusals.ts";

/** A batcher whose batches end when the test says so. Each item is answered ten times itself. */
function testedBatcher(options: Partial<BatcherOptions<number, number>> = {}) {
  const clock = new VirtualClock();
  const batches: { readonly items: readonly number[]; readonly work: TestedWork<ItemResult<number>[]> }[] = [];
  const batcher = new Batcher<number, number>({
    run: (items, signal) => {
      const work = new TestedWork<ItemResult<number>[]>(true);
      batches.push({ items, work });
      return work.work(signal);
    },
    clock,
    timers: clock,
    ...options,
  });
  return {
    batcher,
    clock,
    /** The items of each batch that was sent. */
    sent: () => batches.map(({ items }) => items),
    batch: (index: number) => batches[index]?.work as TestedWork<ItemResult<number>[]>,
    end: async (index: number) => {
      const { items, work } = batches[index] as (typeof batches)[number];
      work.succeed(items.map((item) => ({ value: item * 10 })));
      await clock.advance(0);
    },
  };
}

const deadlineIn = (clock: VirtualClock, ms: number, init: Partial<CallContext> = {}) =>
  createContext({ requestId: "test", deadline: clock.now() + ms, ...init });

test("sends at once when it is idle, with no timer, and lets the next batch fill meanwhile", async () => {
  const { batcher, clock, sent, end } = testedBatcher();
  const answers = [batcher.submit(1)];
  assert.equal(clock.pending, 0);
  await clock.advance(0);
  assert.deepEqual(sent(), [[1]]);
  for (const item of [2, 3, 4]) answers.push(batcher.submit(item));
  await clock.advance(1_000);
  assert.deepEqual([sent(), batcher.queued, batcher.inFlight], [[[1]], 3, 1]);
  await end(0);
  assert.deepEqual(sent(), [[1], [2, 3, 4]]);
  await end(1);
  assert.deepEqual(await Promise.all(answers), [10, 20, 30, 40]);
});

test("calls that are made together go together, and so do those that answers lead to", async () => {
  const sent: number[] = [];
  const batcher = new Batcher<number, number>({
    run: async (items) => {
      sent.push(items.length);
      return items.map((value) => ({ value }));
    },
  });
  const deeply = async (item: number) => await (async () => await (async () => await batcher.submit(item))())();
  const caller = async () => {
    for (let n = 0; n < 3; n += 1) await deeply(n);
  };
  await Promise.all([caller(), caller(), caller()]);
  assert.deepEqual(sent, [3, 3, 3]);
});

test("each caller gets the result or the error of its own item", async () => {
  const { batcher, clock, batch } = testedBatcher();
  const answers = [1, 2, 3].map((item) => batcher.submit(item));
  await clock.advance(0);
  const refused = assert.rejects(answers[1] as Promise<number>, /out of stock/);
  batch(0).succeed([{ value: 10 }, { error: new Error("out of stock") }, { value: 30 }]);
  await refused;
  assert.deepEqual(await Promise.all([answers[0], answers[2]]), [10, 30]);
});

test("a batch that fails fails for each of its callers, and the next is sent", async () => {
  const { batcher, clock, batch, end } = testedBatcher({ maxItems: 2 });
  const answers = [1, 2].map((item) => assert.rejects(batcher.submit(item), /connection lost/));
  const next = batcher.submit(3);
  await clock.advance(0);
  batch(0).fail(new Error("connection lost"));
  await Promise.all(answers);
  await clock.advance(0);
  await end(1);
  assert.equal(await next, 30);
  const throwing = new Batcher<number, number>({
    run: () => {
      throw new Error("at once");
    },
  });
  await assert.rejects(throwing.submit(1), /at once/);
});

test("a batch that is answered with too few or too many results fails as a whole", async () => {
  for (const results of [[{ value: 1 }], [{ value: 1 }, { value: 2 }, { value: 3 }]]) {
    const batcher = new Batcher<number, number>({ run: async () => results });
    const answers = [1, 2].map((item) => assert.rejects(batcher.submit(item), BatchMismatchError));
    await Promise.all(answers);
  }
});

test("cuts batches in the order of arrival, by number and by weight; what is too heavy goes alone", async () => {
  const { batcher, clock, sent, end } = testedBatcher({ maxItems: 3, maxWeight: 10, weigh: (item) => item });
  const answers = [4, 6, 1, 1, 1, 1, 50, 2].map((item) => batcher.submit(item));
  for (let batch = 0; batch < 5; batch += 1) {
    await clock.advance(0);
    await end(batch);
  }
  assert.deepEqual(sent(), [[4, 6], [1, 1, 1], [1], [50], [2]]);
  assert.deepEqual(await Promise.all(answers), [40, 60, 10, 10, 10, 10, 500, 20]);
});

test("has as many batches at work as it may", async () => {
  const { batcher, clock, sent, end } = testedBatcher({ maxItems: 1, maxInFlight: 2 });
  const answers = [1, 2, 3].map((item) => batcher.submit(item));
  await clock.advance(0);
  assert.deepEqual(sent(), [[1], [2]]);
  await end(1);
  assert.deepEqual(sent(), [[1], [2], [3]]);
  await end(0);
  await end(2);
  assert.deepEqual(await Promise.all(answers), [10, 20, 30]);
});

test("refuses what finds no room, and what has no weight", async () => {
  const { batcher, clock, end } = testedBatcher({ maxQueued: 1, weigh: (item) => (item === 13 ? Number.NaN : 1) });
  await assert.rejects(batcher.submit(13), /weigh must answer/);
  const first = batcher.submit(1);
  await assert.rejects(batcher.submit(2), QueueFullError);
  await clock.advance(0);
  await end(0);
  await first;
});

test("a caller that leaves before its item is sent takes it along", async () => {
  const { batcher, clock, sent, end } = testedBatcher();
  const first = batcher.submit(1);
  await clock.advance(0);
  const controller = new AbortController();
  const gone = assert.rejects(batcher.submit(2, { signal: controller.signal }), /gave up/);
  const late = assert.rejects(batcher.submit(3, { timeoutMs: 5 }), WaitTimeoutError);
  const patient = batcher.submit(4);
  controller.abort(new Error("gave up"));
  await clock.advance(5);
  await Promise.all([gone, late]);
  await end(0);
  await end(1);
  assert.deepEqual([sent(), await first, await patient], [[[1], [4]], 10, 40]);
});

test("a batch is aborted when its last caller has left, not before", async () => {
  const { batcher, clock, batch } = testedBatcher();
  const short = assert.rejects(batcher.submit(1, { timeoutMs: 5 }), WaitTimeoutError);
  const long = assert.rejects(batcher.submit(2, { timeoutMs: 10 }), WaitTimeoutError);
  await clock.advance(5);
  await short;
  assert.equal(batch(0).aborted, false);
  await clock.advance(5);
  await long;
  assert.equal(batch(0).aborted, true);
  await clock.advance(0);
  assert.deepEqual([batcher.inFlight, clock.pending], [0, 0]);
});

test("an item whose deadline has passed is not sent, though its timer is late", async () => {
  const { batcher, clock, sent, end } = testedBatcher();
  const first = batcher.submit(1);
  await clock.advance(0);
  const late = assert.rejects(
    runWithContext(deadlineIn(clock, 10), () => batcher.submit(2)),
    WaitTimeoutError,
  );
  // One for whom the caller's deadline does not count.
  const must = runWithContext(deadlineIn(clock, 10), () => batcher.submit(3, { signal: null }));
  await clock.advance(10);
  await end(0);
  await late;
  await end(1);
  assert.deepEqual([sent(), await first, await must], [[[1], [3]], 10, 30]);
});

test("an item whose deadline has passed takes no room in a batch", async () => {
  const { batcher, clock, sent, end } = testedBatcher({ maxWeight: 10, weigh: (item) => item });
  const answers = [batcher.submit(1)];
  await clock.advance(0);
  answers.push(batcher.submit(2));
  const late = assert.rejects(
    runWithContext(deadlineIn(clock, 10), () => batcher.submit(9)),
    WaitTimeoutError,
  );
  answers.push(batcher.submit(3));
  await clock.advance(10);
  await end(0);
  await late;
  await end(1);
  assert.deepEqual(
    [sent(), await Promise.all(answers)],
    [
      [[1], [2, 3]],
      [10, 20, 30],
    ],
  );
});

test("a batch runs in no caller's context: latest deadline, highest priority, and nothing else of theirs", async () => {
  const tenant = new AsyncLocalStorage<string>();
  const seen: (CallContext | undefined)[] = [];
  const { batcher, clock } = testedBatcher({
    run: async (items, signal) => {
      const context = currentContext();
      assert.deepEqual([context?.signal, tenant.getStore()], [signal, undefined]);
      seen.push(context);
      return items.map((value) => ({ value }));
    },
  });
  const submit = (context: CallContext, item: number) =>
    tenant.run("somebody", () => runWithContext(context, () => batcher.submit(item)));
  const identity = { subject: "somebody", scopes: new Set<string>() };
  const answers = [
    submit(deadlineIn(clock, 100, { priority: "sheddable", identity }), 1),
    submit(deadlineIn(clock, 300, { idempotencyKey: "key", traceparent: "trace" }), 2),
    submit(deadlineIn(clock, 200, { priority: "critical", baggage: new Map([["tenant", "a"]]) }), 3),
  ];
  await Promise.all(answers);
  const [context] = seen;
  assert.deepEqual(
    [context?.deadline, context?.priority, context?.identity, context?.idempotencyKey, context?.traceparent],
    [clock.now() + 300, "critical", undefined, undefined, undefined],
  );
  assert.deepEqual([context?.baggage.size, context?.requestId === "test"], [0, false]);
  await batcher.submit(4);
  assert.deepEqual([seen[1]?.deadline, seen[1]?.priority], [Number.POSITIVE_INFINITY, "default"]);
  const goesOn = runWithContext(deadlineIn(clock, 100, { priority: "critical" }), () =>
    batcher.submit(5, { signal: null }),
  );
  await Promise.all([goesOn, submit(deadlineIn(clock, 100), 6)]);
  assert.deepEqual([seen[2]?.deadline, seen[2]?.priority], [Number.POSITIVE_INFINITY, "critical"]);
});

test("tells of each batch what it was, and is not disturbed by whoever is told", async () => {
  const told: BatchDone[] = [];
  const { batcher, clock, batch, end } = testedBatcher({
    onBatch: (done) => {
      told.push(done);
      throw new Error("listener");
    },
    weigh: (item) => item,
  });
  const first = batcher.submit(1);
  await clock.advance(0);
  const others = [2, 3].map((item) => assert.rejects(batcher.submit(item), /broken/));
  await clock.advance(20);
  await end(0);
  await clock.advance(5);
  batch(1).fail(new Error("broken"));
  await Promise.all([first, ...others]);
  await clock.advance(0);
  assert.deepEqual(told, [
    { items: 1, weight: 1, waitedMs: 0, tookMs: 20, failed: false },
    { items: 2, weight: 5, waitedMs: 20, tookMs: 5, failed: true },
  ]);
});

test("closing sends what is queued, and refuses what comes", async () => {
  const { batcher, clock, end } = testedBatcher({ maxItems: 1 });
  const answers = [batcher.submit(1), batcher.submit(2)];
  let closed = false;
  const closing = batcher.close().then(() => {
    closed = true;
  });
  await assert.rejects(batcher.submit(3), ClosedError);
  await clock.advance(0);
  await end(0);
  assert.equal(closed, false);
  await end(1);
  await closing;
  assert.deepEqual(await Promise.all(answers), [10, 20]);
});

test("shutting down refuses what is queued, aborts what is sent, and answers how many callers still waited", async () => {
  const stubborn = Promise.withResolvers<ItemResult<number>[]>();
  const signals: AbortSignal[] = [];
  const { batcher, clock } = testedBatcher({
    maxItems: 2,
    run: (_, signal) => {
      signals.push(signal);
      return stubborn.promise;
    },
  });
  const refused = [1, 2, 3].map((item) => assert.rejects(batcher.submit(item), ClosedError));
  await clock.advance(0);
  const left = batcher.shutdown(100);
  await refused[2];
  await clock.advance(100);
  assert.deepEqual([await left, signals.length, signals[0]?.aborted], [2, 1, true]);
  await Promise.all(refused);
  stubborn.resolve([]);
  await clock.advance(0);
  assert.deepEqual([batcher.inFlight, clock.pending], [0, 0]);
});

test("refuses options out of range", () => {
  const run = async () => [];
  assert.throws(() => new Batcher({ run, maxItems: 0 }), /maxItems must be/);
  assert.throws(() => new Batcher({ run, maxWeight: 0 }), /maxWeight must be/);
  assert.throws(() => new Batcher({ run, maxInFlight: 0 }), /maxInFlight must be/);
  assert.throws(() => new Batcher({ run, maxQueued: 0 }), /maxQueued must be/);
});
