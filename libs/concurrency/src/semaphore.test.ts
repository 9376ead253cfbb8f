import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { createContext, runWithContext } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import { QueueFullError, WaitTimeoutError } from "./refusals.ts";
import { Semaphore } from "./semaphore.ts";

test("lets in as many as it has permits, and the rest in order as permits come back", async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 10 });
  let permit = await semaphore.acquire();
  const order: number[] = [];
  const waiting = [1, 2, 3].map((n) =>
    semaphore.acquire().then((given) => {
      order.push(n);
      return given;
    }),
  );
  assert.equal(semaphore.waiting, 3);
  for (const waiter of waiting) {
    permit.release();
    permit = await waiter;
  }
  assert.deepEqual(order, [1, 2, 3]);
});

test("a permit that comes back goes to the one who waits, not to one who comes at that moment", async () => {
  const semaphore = new Semaphore({ permits: 1 });
  const permit = await semaphore.acquire();
  const waiting = semaphore.acquire();
  permit.release();
  assert.equal(semaphore.tryAcquire(), undefined);
  (await waiting).release();
  assert.equal(semaphore.free, 1);
});

test("a permit counts once, however often it is given back", async () => {
  const semaphore = new Semaphore({ permits: 2 });
  const permit = await semaphore.acquire();
  permit.release();
  permit.release();
  assert.equal(semaphore.free, 2);
});

test("refuses one whose time is over, and only that one", async () => {
  const clock = new VirtualClock();
  const semaphore = new Semaphore({ permits: 1, timers: clock });
  const permit = await semaphore.acquire();
  const short = semaphore.acquire({ timeoutMs: 10 });
  const long = semaphore.acquire({ timeoutMs: 20 });
  const refused = assert.rejects(short, WaitTimeoutError);
  await clock.advance(10);
  await refused;
  permit.release();
  await long;
  assert.equal(clock.pending, 0);
});

test("gives the permit back when the work has ended, in whatever way", async () => {
  const semaphore = new Semaphore({ permits: 1 });
  assert.equal(await semaphore.run(async () => semaphore.free), 0);
  await assert.rejects(
    semaphore.run(() => {
      throw new Error("broken");
    }),
    /broken/,
  );
  assert.equal(semaphore.free, 1);
});

test("refuses at once when too many wait", async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 0 });
  await semaphore.acquire();
  await assert.rejects(semaphore.acquire(), QueueFullError);
});

test("one who gives up leaves the queue, the permit and the signal as if never there", async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 1 });
  const permit = await semaphore.acquire();
  const controller = new AbortController();
  const waiting = semaphore.acquire({ signal: controller.signal });
  controller.abort(new Error("gave up"));
  await assert.rejects(waiting, /gave up/);
  assert.equal(semaphore.waiting, 0);
  permit.release();
  await semaphore.acquire({ signal: new AbortController().signal });
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("a signal that aborts after the permit was given changes nothing", async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 1 });
  const permit = await semaphore.acquire();
  const controller = new AbortController();
  const waiting = semaphore.acquire({ signal: controller.signal });
  permit.release();
  controller.abort();
  await waiting;
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("one whose signal has aborted does not enter, even where a permit is free", async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 1 });
  await assert.rejects(semaphore.acquire({ signal: AbortSignal.abort(new Error("late")) }), /late/);
  await semaphore.acquire();
});

test("refuses options out of range", () => {
  assert.throws(() => new Semaphore({ permits: 0, maxWaiting: 1 }), RangeError);
  assert.throws(() => new Semaphore({ permits: 1, maxWaiting: -1 }), RangeError);
});

test("refuses a timeout out of range", async () => {
  const semaphore = new Semaphore({ permits: 1 });
  for (const timeoutMs of [-1, Number.NaN]) await assert.rejects(semaphore.acquire({ timeoutMs }), RangeError);
  assert.equal(semaphore.free, 1);
});

test("a wait ends with the call that is being served, unless it is told not to", async () => {
  const semaphore = new Semaphore({ permits: 1 });
  const permit = await semaphore.acquire();
  const call = new AbortController();
  const [waiting, cleaning] = runWithContext(createContext({ requestId: "test", signal: call.signal }), () => [
    semaphore.acquire({ signal: new AbortController().signal }),
    semaphore.acquire({ signal: null }),
  ]);
  call.abort(new Error("caller gone"));
  await assert.rejects(waiting as Promise<unknown>, /caller gone/);
  permit.release();
  await cleaning;
  assert.equal(getEventListeners(call.signal, "abort").length, 0);
});
