import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, runWithContext } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { Batcher } from "./batcher.ts";
import type { ItemResult } from "./batcher-options.ts";
import { historySettings, requireHeld } from "./fixture-histories.ts";
import { TestedCall } from "./fixture-patience.ts";
import { TestedWork } from "./fixture-work.ts";

const which = fc.nat({ max: 1_000 });
const submit = fc.record({
  do: fc.constant("submit" as const),
  weight: fc.integer({ min: 0, max: 6 }),
  timeoutMs: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
  deadlineMs: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
  count: fc.integer({ min: 1, max: 4 }),
});
const end = fc.record({
  do: fc.constant("end" as const),
  which,
  as: fc.constantFrom("results", "results", "results", "failure", "too few", "too many"),
});
const step = fc.oneof(
  { weight: 10, arbitrary: submit },
  { weight: 6, arbitrary: end },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("give up" as const), which }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 4 }) }) },
  // Time passes, and timers come late.
  { weight: 2, arbitrary: fc.record({ do: fc.constant("stall" as const), ms: fc.integer({ min: 0, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("close" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("shutdown" as const), graceMs: fc.integer({ min: 0, max: 20 }) }),
  },
);
const history = fc.record({
  maxItems: fc.integer({ min: 1, max: 5 }),
  maxWeight: fc.integer({ min: 1, max: 10 }),
  maxInFlight: fc.integer({ min: 1, max: 2 }),
  maxQueued: fc.integer({ min: 1, max: 12 }),
  heeds: fc.boolean(),
  steps: fc.array(step, { maxLength: 80, size: "max" }),
});

interface Item {
  readonly number: number;
  readonly weight: number;
  readonly call: TestedCall<string>;
  readonly expiresAt: number;
  /** What it must have been refused with. */
  readonly expected: string | undefined;
  gaveUp: boolean;
  batch: SentBatch | undefined;
}

interface Submit {
  readonly weight: number;
  readonly timeoutMs?: number | undefined;
  readonly deadlineMs?: number | undefined;
}

interface SentBatch {
  readonly items: readonly Item[];
  readonly work: TestedWork<ItemResult<string>[]>;
  as: string;
}

/** Every third item has an error of its own. */
const isBad = (number: number) => number % 3 === 2;

test("sends items in their order, in batches as large as may be, and answers each its own, whatever comes when", async () => {
  const property = fc.asyncProperty(history, async ({ heeds, steps, ...settings }) => {
    const { maxItems, maxWeight, maxInFlight, maxQueued } = settings;
    const clock = new VirtualClock(0);
    let late = 0;
    const now = () => clock.now() + late;
    const time = { now, after: (ms: number, run: () => void) => clock.after(ms, run) };
    const weights: number[] = [];
    const items: Item[] = [];
    const batches: SentBatch[] = [];
    const closes: { settled: boolean }[] = [];
    const shutdowns: Promise<void>[] = [];
    let closed = false;
    let shut = false;
    let left = 0;

    const isQueued = (item: Item) =>
      item.batch === undefined && item.call.fate === "waiting" && item.expected === undefined;
    const batcher = new Batcher<number, string>({
      ...settings,
      weigh: (number) => weights[number] as number,
      clock: { now },
      timers: time,
      run: (numbers, signal) => {
        const sent = numbers.map((number) => items[number] as Item);
        const batch: SentBatch = { items: sent, work: new TestedWork(heeds), as: "" };
        batches.push(batch);
        const waited = items.filter((item) => isQueued(item) && !item.gaveUp);
        for (const item of sent) item.batch = batch;
        const weight = sent.reduce((sum, item) => sum + item.weight, 0);
        assert.ok(sent.length > 0 && sent.length <= maxItems, `${sent.length} items in a batch`);
        assert.ok(weight <= maxWeight || sent.length === 1, `a batch of weight ${weight}`);
        for (const { expiresAt, gaveUp } of sent) assert.ok(!gaveUp && expiresAt > now(), "sent in vain");
        const next = waited.find((item) => isQueued(item) && item.expiresAt > now());
        assert.deepEqual(
          sent.map(({ number }) => number),
          waited
            .filter(({ expiresAt }) => expiresAt > now())
            .slice(0, sent.length)
            .map(({ number }) => number),
          "an item was overtaken",
        );
        assert.ok(
          next === undefined || sent.length === maxItems || weight + next.weight > maxWeight,
          "the batch had room for one more",
        );
        return batch.work.work(signal);
      },
    });

    const add = ({ weight, timeoutMs, deadlineMs }: Submit) => {
      const number = items.length;
      const deadline = now() + (deadlineMs ?? Number.POSITIVE_INFINITY);
      const expected = closed ? "CLOSED" : batcher.queued >= maxQueued ? "QUEUE_FULL" : undefined;
      weights.push(weight);
      items.push({
        number,
        weight,
        // The call's own signal never aborts: only the batcher sees that the deadline has passed.
        call: new TestedCall(timeoutMs, (options) =>
          runWithContext(createContext({ requestId: "test", deadline }), () => batcher.submit(number, options)),
        ),
        expiresAt: Math.min(deadline, now() + (timeoutMs ?? Number.POSITIVE_INFINITY)),
        expected,
        gaveUp: false,
        batch: undefined,
      });
    };
    const endBatch = (batch: SentBatch, as: string) => {
      if (batch.as !== "") return;
      batch.as = as;
      const results = batch.items.map(({ number }) =>
        isBad(number) ? { error: new Error(`bad ${number}`) } : { value: `good ${number}` },
      );
      if (as === "failure") batch.work.fail(new Error("failed batch"));
      else if (as === "too few") batch.work.succeed(results.slice(1));
      else if (as === "too many") batch.work.succeed([...results, { value: "one more" }]);
      else batch.work.succeed(results);
    };
    const atWork = () => batches.filter(({ work }) => work.atWork);
    const advance = async (ms: number) => {
      late = 0;
      await clock.advance(ms);
      assert.equal(batcher.inFlight, atWork().length);
      assert.ok(batcher.inFlight === maxInFlight || batcher.queued === 0, "items wait though a batch could be sent");
      for (const { items, work } of atWork())
        assert.equal(work.aborted, shut || items.every(({ call }) => call.fate !== "waiting"));
      for (const { settled } of closes) assert.equal(settled, batcher.inFlight === 0 && batcher.queued === 0);
    };

    for (const step of steps) {
      if (step.do === "submit") {
        for (let n = 0; n < step.count; n += 1) add(step);
      } else if (step.do === "end") {
        const sent = atWork();
        const batch = sent[step.which % sent.length];
        if (batch !== undefined) endBatch(batch, step.as);
      } else if (step.do === "give up") {
        const item = items[step.which % items.length];
        if (item !== undefined) item.gaveUp = true;
        item?.call.giveUp();
      } else if (step.do === "close") {
        closed = true;
        const close = { settled: false };
        closes.push(close);
        void batcher.close().then(() => {
          close.settled = true;
        });
      } else if (step.do === "shutdown") {
        closed = true;
        shut = true;
        const count = (unfinished: number) => {
          left += unfinished;
        };
        shutdowns.push(batcher.shutdown(step.graceMs).then(count));
      } else if (step.do === "stall") late += step.ms;
      else await advance(step.ms);
      assert.ok(batcher.queued <= maxQueued, `${batcher.queued} are queued`);
      assert.ok(batcher.inFlight <= maxInFlight, `${batcher.inFlight} batches are at work`);
    }

    for (let turn = 0; turn <= items.length; turn += 1) {
      for (const batch of atWork()) endBatch(batch, "results");
      await advance(10);
    }
    await advance(10);
    await Promise.all(shutdowns);
    for (const { call, number, batch, expected, gaveUp, expiresAt } of items) {
      const { fate } = call;
      if (expected !== undefined) assert.deepEqual([fate, batch], [expected, undefined]);
      else if (fate === "answered") assert.deepEqual([call.answer, batch?.as], [`good ${number}`, "results"]);
      else if (fate === `bad ${number}`) assert.ok(isBad(number) && batch?.as === "results");
      else if (fate === "failed batch") assert.equal(batch?.as, "failure");
      else if (fate === "BatchMismatchError") assert.match(String(batch?.as), /too/);
      else if (fate === "GaveUp") assert.ok(gaveUp);
      else if (fate === "WAIT_TIMEOUT") assert.ok(expiresAt <= clock.now());
      else assert.deepEqual([fate, shut], ["CLOSED", true], "neither answered nor refused for a reason");
    }
    const unfinished = items.filter(({ call, batch }) => call.fate === "CLOSED" && batch !== undefined).length;
    assert.equal(left, heeds ? 0 : unfinished);
    assert.deepEqual([batcher.inFlight, batcher.queued, clock.pending], [0, 0, 0], "something is left");
  });
  requireHeld(await fc.check(property, historySettings()));
});
