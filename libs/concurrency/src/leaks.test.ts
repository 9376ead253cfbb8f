import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { createContext, runWithContext, type Timers } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import { Batcher } from "./batcher.ts";
import { Broadcast } from "./broadcast.ts";
import { GaveUp } from "./fixture-patience.ts";
import { KeyedMutex } from "./keyed-mutex.ts";
import { WaitTimeoutError } from "./refusals.ts";
import { Semaphore } from "./semaphore.ts";
import { SingleFlight } from "./single-flight.ts";
import { TaskQueue } from "./task-queue.ts";
import { TaskScope } from "./task-scope.ts";
import type { WaitOptions } from "./wait-options.ts";
import { WorkerPool } from "./worker-pool.ts";

const operations = 100_000;
/** Operations that wait at the same time, and those that share a signal. */
const atOnce = 200;
const sharing = 10;

/** Real timers that keep the process alive: one that is left shows in the process's list of what is active. */
const visibleTimers: Timers = {
  now: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

const activeTimers = () => process.getActiveResourcesInfo().filter((type) => type === "Timeout").length;

/**
 * Cancels 100,000 operations that `begin` begins and that never end by themselves: half of them on real timers, by signals
 * of their own and by that of the call they belong to; the other half on a virtual clock, a tenth of those by their
 * timeouts. Then no timer and no listener is left, and `look` is asked to look at the piece itself.
 */
async function cancelAll(
  make: (timers: Timers) => { begin: (options: WaitOptions) => Promise<unknown>; look: () => void },
): Promise<void> {
  const before = activeTimers();
  const call = new AbortController();
  const clock = new VirtualClock();
  const context = createContext({ requestId: "test", signal: call.signal });
  for (const timers of [visibleTimers, clock]) {
    const { begin, look } = make(timers);
    for (let done = 0; done < operations / 2; done += atOnce) {
      const controllers = Array.from({ length: atOnce / sharing }, () => new AbortController());
      const timesOut = (number: number) => timers === clock && number % 10 === 0;
      const settled = Promise.allSettled(
        Array.from({ length: atOnce }, (_, number) => {
          const { signal } = controllers[Math.floor(number / sharing)] as AbortController;
          const options = { signal, timeoutMs: timesOut(number) ? 10 : 60_000 };
          return runWithContext(context, () => begin(options));
        }),
      );
      if (timers === clock) await clock.advance(10);
      for (const controller of controllers) controller.abort(new GaveUp());
      for (const [number, { reason }] of ((await settled) as PromiseRejectedResult[]).entries())
        assert.ok(reason instanceof (timesOut(number) ? WaitTimeoutError : GaveUp));
      for (const { signal } of controllers) assert.equal(getEventListeners(signal, "abort").length, 0);
      // Each time, so that what leaks fails before it is slow.
      assert.equal(getEventListeners(call.signal, "abort").length, 0, "listeners are left on the call's signal");
      assert.equal(clock.pending, 0, "virtual timers are left");
    }
    look();
  }
  assert.equal(activeTimers(), before, "timers are left");
}

/** Work that ends when it is told to. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

test("a semaphore keeps nothing of 100,000 who gave up", async () => {
  await cancelAll((timers) => {
    const semaphore = new Semaphore({ permits: 1, timers });
    const permit = semaphore.tryAcquire();
    return {
      begin: (options) => semaphore.acquire(options),
      look: () => {
        assert.equal(semaphore.waiting, 0);
        permit?.release();
        assert.equal(semaphore.free, 1);
      },
    };
  });
});

test("a keyed mutex keeps nothing of 100,000 who gave up", async () => {
  await cancelAll((timers) => {
    const mutex = new KeyedMutex<number>({ timers });
    const holds = Array.from({ length: 10 }, (_, key) => mutex.tryAcquire(key));
    let next = 0;
    return {
      begin: (options) => {
        next += 1;
        return mutex.acquire(next % 10, options);
      },
      look: () => {
        for (const hold of holds) hold?.release();
        assert.equal(mutex.size, 0);
      },
    };
  });
});

test("a task queue keeps nothing of 100,000 takers who gave up", async () => {
  await cancelAll((timers) => {
    const queue = new TaskQueue<number>({ capacity: 1, timers });
    return { begin: (options) => queue.take(options), look: () => assert.equal(queue.taking, 0) };
  });
});

test("a task queue keeps nothing of 100,000 submitters who gave up, nor what they brought", async () => {
  await cancelAll((timers) => {
    const queue = new TaskQueue<number>({ capacity: 1, timers });
    queue.trySubmit(0);
    return {
      begin: (options) => queue.submit(1, options),
      look: () => {
        assert.equal(queue.submitting, 0);
        assert.deepEqual(queue.abort(new GaveUp()), [0]);
      },
    };
  });
});

test("a worker pool keeps nothing of 100,000 callers who gave up, whose work was queued or running", async () => {
  await cancelAll((timers) => {
    const pool = new WorkerPool({ workers: atOnce / 2, timers });
    return {
      begin: (options) => pool.run(untilAborted, options),
      look: () => assert.deepEqual([pool.running, pool.queued], [0, 0]),
    };
  });
});

test("a single-flight keeps nothing of 100,000 callers who gave up", async () => {
  await cancelAll((timers) => {
    const single = new SingleFlight<number, never>({ timers });
    let next = 0;
    return {
      begin: (options) => {
        next += 1;
        return single.run(next % 10, untilAborted, options);
      },
      look: () => assert.equal(single.size, 0),
    };
  });
});

test("a batcher keeps nothing of 100,000 callers who gave up, whose items were queued or sent", async () => {
  await cancelAll((timers) => {
    const batcher = new Batcher<number, never>({ maxItems: 10, run: (_, signal) => untilAborted(signal), timers });
    return {
      begin: (options) => batcher.submit(1, options),
      look: () => assert.deepEqual([batcher.inFlight, batcher.queued], [0, 0]),
    };
  });
});

test("a broadcast keeps nothing of 100,000 subscribers that were aborted while they waited", async () => {
  const broadcast = new Broadcast<number>(1);
  for (let done = 0; done < operations; done += atOnce) {
    const controller = new AbortController();
    const reads = Array.from({ length: atOnce }, () => broadcast.subscribe(() => true, controller.signal).next());
    controller.abort();
    for (const { done } of await Promise.all(reads)) assert.equal(done, true);
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  }
  assert.equal(broadcast.size, 0);
});

test("a task scope keeps nothing of 100,000 children that were aborted, and neither does its parent's signal", async () => {
  const before = activeTimers();
  const call = new AbortController();
  for (let done = 0; done < operations; done += atOnce) {
    const parent = new AbortController();
    const scope = runWithContext(
      createContext({ requestId: "test", signal: call.signal }),
      () => new TaskScope({ signal: parent.signal, timers: visibleTimers }),
    );
    const children = Array.from({ length: atOnce }, () => scope.spawn(untilAborted));
    const joined = assert.rejects(scope.join(), GaveUp);
    if (done % (2 * atOnce) === 0) parent.abort(new GaveUp());
    else children.push(scope.spawn(() => Promise.reject(new GaveUp())));
    await joined;
    await Promise.allSettled(children);
    assert.equal(await scope.shutdown(60_000), 0);
    assert.equal(getEventListeners(parent.signal, "abort").length + getEventListeners(scope.signal, "abort").length, 0);
  }
  assert.equal(getEventListeners(call.signal, "abort").length, 0);
  assert.equal(activeTimers(), before);
});
