import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { historySettings, requireHeld } from "./fixture-histories.ts";
import { type Fate, GaveUp, TestedCall } from "./fixture-patience.ts";
import { TaskQueue } from "./task-queue.ts";

const timeoutMs = fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("submit" as const), timeoutMs }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("try" as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("take" as const), timeoutMs }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("give up" as const), which: fc.nat({ max: 1_000 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("close" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("abort" as const) }) },
);
const history = fc.record({
  capacity: fc.integer({ min: 1, max: 4 }),
  maxWaiting: fc.integer({ min: 0, max: 4 }),
  steps: fc.array(step, { maxLength: 60, size: "max" }),
});

interface Caller {
  readonly call: TestedCall<number | undefined>;
  readonly expiresAt: number;
  /** What it submits, or is to be handed. */
  task: number | undefined;
  fate: Fate;
}

test("hands over tasks as plain lists of tasks, submitters and takers would, whatever comes when", async () => {
  const property = fc.asyncProperty(history, async ({ capacity, maxWaiting, steps }) => {
    const clock = new VirtualClock(0);
    const queue = new TaskQueue<number>({ capacity, maxWaiting, timers: clock });
    const calls: Caller[] = [];
    const tasks: number[] = [];
    const submitters: Caller[] = [];
    const takers: Caller[] = [];
    const closes: { settled: boolean }[] = [];
    let closed: Fate | undefined;
    let submitted = 0;

    const call = (
      timeoutMs: number | undefined,
      make: ConstructorParameters<typeof TestedCall<number | undefined>>[1],
    ) => {
      const caller: Caller = {
        call: new TestedCall(timeoutMs, make),
        expiresAt: clock.now() + (timeoutMs ?? Number.POSITIVE_INFINITY),
        task: undefined,
        fate: "waiting",
      };
      calls.push(caller);
      return caller;
    };
    const wait = (caller: Caller, waiters: Caller[]) => {
      if (waiters.length < maxWaiting) waiters.push(caller);
      else caller.fate = "QUEUE_FULL";
    };
    const answer = (caller: Caller, task?: number) => {
      caller.fate = "answered";
      caller.task = task;
    };
    const leave = (caller: Caller, fate: Fate) => {
      for (const waiters of [submitters, takers]) {
        if (!waiters.includes(caller)) continue;
        waiters.splice(waiters.indexOf(caller), 1);
        caller.fate = fate;
      }
    };
    /** Puts the task where it belongs; answers whether there was room. */
    const put = (task: number): boolean => {
      if (closed !== undefined || tasks.length >= capacity) return false;
      const taker = takers.shift();
      if (taker === undefined) tasks.push(task);
      else answer(taker, task);
      return true;
    };
    const end = (reason: Fate) => {
      closed = reason;
      for (const caller of [...submitters, ...takers]) leave(caller, reason);
    };
    const check = () => {
      for (const { call, fate, task } of calls)
        assert.deepEqual(
          { fate: call.fate, task: call.answer },
          { fate, task: fate === "answered" ? task : undefined },
        );
      for (const { settled } of closes) assert.equal(settled, tasks.length === 0);
    };

    for (const step of steps) {
      if (step.do === "submit") {
        const task = submitted;
        submitted += 1;
        const caller = call(step.timeoutMs, async (options) => {
          await queue.submit(task, options);
          return undefined;
        });
        if (closed !== undefined) caller.fate = closed;
        else if (put(task)) answer(caller);
        else {
          caller.task = task;
          wait(caller, submitters);
        }
      } else if (step.do === "try") {
        assert.equal(queue.trySubmit(submitted), put(submitted));
        submitted += 1;
      } else if (step.do === "take") {
        const caller = call(step.timeoutMs, (options) => queue.take(options));
        const task = tasks.shift();
        if (task !== undefined) {
          answer(caller, task);
          const submitter = submitters.shift();
          if (submitter !== undefined) {
            tasks.push(submitter.task as number);
            answer(submitter);
          }
        } else if (closed !== undefined) caller.fate = closed;
        else wait(caller, takers);
      } else if (step.do === "give up") {
        const caller = calls[step.which % calls.length];
        caller?.call.giveUp();
        if (caller !== undefined) leave(caller, "GaveUp");
      } else if (step.do === "close") {
        const close = { settled: false };
        closes.push(close);
        void queue.close().then(() => {
          close.settled = true;
        });
        end(closed ?? "CLOSED");
      } else if (step.do === "abort") {
        assert.deepEqual(queue.abort(new Error("aborted")), tasks);
        tasks.length = 0;
        end("aborted");
      } else {
        await clock.advance(step.ms);
        for (const caller of calls) if (caller.expiresAt <= clock.now()) leave(caller, "WAIT_TIMEOUT");
        check();
      }
      assert.deepEqual(
        { size: queue.size, submitting: queue.submitting, taking: queue.taking },
        { size: tasks.length, submitting: submitters.length, taking: takers.length },
      );
    }

    queue.abort(new GaveUp());
    tasks.length = 0;
    end("GaveUp");
    await clock.advance(0);
    check();
    assert.equal(clock.pending, 0, "timers are left");
  });
  requireHeld(await fc.check(property, historySettings()));
});
