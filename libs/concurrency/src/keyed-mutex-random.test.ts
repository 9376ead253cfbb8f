import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { historySettings, requireHeld } from "./fixture-histories.ts";
import { type Fate, TestedCall } from "./fixture-patience.ts";
import { KeyedMutex, type KeyHold } from "./keyed-mutex.ts";

const keys = ["a", "b", "c"] as const;
const key = fc.constantFrom(...keys);
const step = fc.oneof(
  fc.record({
    do: fc.constant("acquire" as const),
    key,
    timeoutMs: fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
  }),
  fc.record({ do: fc.constant("try" as const), key }),
  fc.record({ do: fc.constant("release" as const), key, times: fc.integer({ min: 1, max: 2 }) }),
  fc.record({ do: fc.constant("give up" as const), which: fc.nat({ max: 1_000 }) }),
  fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 6 }) }),
);
const history = fc.record({
  maxWaiting: fc.integer({ min: 0, max: 4 }),
  steps: fc.array(step, { maxLength: 60, size: "max" }),
});

interface Caller {
  readonly call: TestedCall<KeyHold>;
  readonly key: string;
  readonly expiresAt: number;
  fate: Fate;
}

test("gives each key as a plain list of waiters would, whatever comes when", async () => {
  const property = fc.asyncProperty(history, async ({ maxWaiting, steps }) => {
    const clock = new VirtualClock(0);
    const mutex = new KeyedMutex<string>({ maxWaiting, timers: clock });
    const calls: Caller[] = [];
    /** Who waits for each key, and what takes it back of who holds it. */
    const queues = new Map(keys.map((key): [string, Caller[]] => [key, []]));
    const holders = new Map<string, () => KeyHold>();

    const queueOf = (key: string) => queues.get(key) as Caller[];
    const enter = (caller: Caller) => {
      caller.fate = "answered";
      holders.set(caller.key, () => caller.call.answer as KeyHold);
    };
    const advance = async (ms: number) => {
      await clock.advance(ms);
      for (const caller of calls) if (caller.expiresAt <= clock.now()) leave(caller, "WAIT_TIMEOUT");
    };
    const release = async (key: string, times: number) => {
      await advance(0);
      const holdOf = holders.get(key);
      if (holdOf === undefined) return;
      const hold = holdOf();
      for (let time = 0; time < times; time += 1) hold.release();
      holders.delete(key);
      const next = queueOf(key).shift();
      if (next !== undefined) enter(next);
    };
    const leave = (caller: Caller, fate: Fate) => {
      const queue = queueOf(caller.key);
      if (!queue.includes(caller)) return;
      queue.splice(queue.indexOf(caller), 1);
      caller.fate = fate;
    };
    const check = () => {
      assert.equal(mutex.size, holders.size);
      for (const key of keys) assert.equal(mutex.waiting(key), queueOf(key).length);
    };

    for (const step of steps) {
      if (step.do === "acquire") {
        const { key, timeoutMs } = step;
        const call = new TestedCall(timeoutMs, (options) => mutex.acquire(key, options));
        const caller = { call, key, expiresAt: clock.now() + (timeoutMs ?? Number.POSITIVE_INFINITY), fate: "waiting" };
        calls.push(caller);
        if (!holders.has(key)) enter(caller);
        else if (queueOf(key).length < maxWaiting) queueOf(key).push(caller);
        else caller.fate = "QUEUE_FULL";
      } else if (step.do === "try") {
        const hold = mutex.tryAcquire(step.key);
        assert.equal(hold !== undefined, !holders.has(step.key));
        if (hold !== undefined) holders.set(step.key, () => hold);
      } else if (step.do === "release") await release(step.key, step.times);
      else if (step.do === "give up") {
        const caller = calls[step.which % calls.length];
        caller?.call.giveUp();
        if (caller !== undefined) leave(caller, "GaveUp");
      } else {
        await advance(step.ms);
        for (const { call, fate } of calls) assert.equal(call.fate, fate);
      }
      check();
    }

    for (const key of keys) while (holders.has(key)) await release(key, 1);
    await advance(0);
    for (const { call, fate } of calls) assert.equal(call.fate, fate);
    check();
    assert.equal(mutex.size, 0, "a key is left");
    assert.equal(clock.pending, 0, "timers are left");
  });
  requireHeld(await fc.check(property, historySettings()));
});
