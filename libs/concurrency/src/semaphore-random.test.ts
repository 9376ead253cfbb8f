import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { historySettings, requireHeld } from "./fixture-histories.ts";
import { type Fate, TestedCall } from "./fixture-patience.ts";
import { type Permit, Semaphore } from "./semaphore.ts";

const which = fc.nat({ max: 1_000 });
const step = fc.oneof(
  fc.record({
    do: fc.constant("acquire" as const),
    timeoutMs: fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
  }),
  fc.record({ do: fc.constant("try" as const) }),
  fc.record({ do: fc.constant("release" as const), which, times: fc.integer({ min: 1, max: 2 }) }),
  fc.record({ do: fc.constant("give up" as const), which }),
  fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 6 }) }),
);
const history = fc.record({
  permits: fc.integer({ min: 1, max: 3 }),
  maxWaiting: fc.integer({ min: 0, max: 5 }),
  steps: fc.array(step, { maxLength: 60, size: "max" }),
});

test("gives permits as a plain list of waiters would, whatever comes when", async () => {
  const property = fc.asyncProperty(history, async ({ permits, maxWaiting, steps }) => {
    const clock = new VirtualClock(0);
    const semaphore = new Semaphore({ permits, maxWaiting, timers: clock });
    const calls: { readonly call: TestedCall<Permit>; readonly expiresAt: number; fate: Fate }[] = [];
    const queue: (typeof calls)[number][] = [];
    /** What takes the permit back of each that is held. */
    const held: (() => Permit)[] = [];
    let free = permits;

    const leave = (waiter: (typeof calls)[number], fate: Fate) => {
      queue.splice(queue.indexOf(waiter), 1);
      waiter.fate = fate;
    };
    const enter = (caller: (typeof calls)[number]) => {
      caller.fate = "answered";
      held.push(() => caller.call.answer as Permit);
    };
    const advance = async (ms: number) => {
      await clock.advance(ms);
      for (const waiter of [...queue]) if (waiter.expiresAt <= clock.now()) leave(waiter, "WAIT_TIMEOUT");
    };
    const release = async (number: number, times: number) => {
      await advance(0);
      const [permitOf] = held.splice(number % held.length, 1);
      if (permitOf === undefined) return;
      const permit = permitOf();
      for (let time = 0; time < times; time += 1) permit.release();
      const next = queue.shift();
      if (next === undefined) free += 1;
      else enter(next);
    };

    for (const step of steps) {
      if (step.do === "acquire") {
        const { timeoutMs } = step;
        const call = new TestedCall(timeoutMs, (options) => semaphore.acquire(options));
        const caller = { call, expiresAt: clock.now() + (timeoutMs ?? Number.POSITIVE_INFINITY), fate: "waiting" };
        calls.push(caller);
        if (free > 0) {
          free -= 1;
          enter(caller);
        } else if (queue.length < maxWaiting) queue.push(caller);
        else caller.fate = "QUEUE_FULL";
      } else if (step.do === "try") {
        const permit = semaphore.tryAcquire();
        assert.equal(permit !== undefined, free > 0);
        if (permit !== undefined) {
          free -= 1;
          held.push(() => permit);
        }
      } else if (step.do === "release") await release(step.which, step.times);
      else if (step.do === "give up") {
        const caller = calls[step.which % calls.length];
        caller?.call.giveUp();
        if (caller !== undefined && queue.includes(caller)) leave(caller, "GaveUp");
      } else {
        await advance(step.ms);
        for (const { call, fate } of calls) assert.equal(call.fate, fate);
      }
      assert.deepEqual({ free: semaphore.free, waiting: semaphore.waiting }, { free, waiting: queue.length });
    }

    while (held.length > 0) await release(0, 1);
    await advance(0);
    for (const { call, fate } of calls) assert.equal(call.fate, fate);
    assert.deepEqual({ free: semaphore.free, waiting: semaphore.waiting }, { free: permits, waiting: 0 });
    assert.equal(clock.pending, 0, "timers are left");
  });
  requireHeld(await fc.check(property, historySettings()));
});
