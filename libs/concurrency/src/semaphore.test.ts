import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { QueueFullError, Semaphore } from "./semaphore.ts";

test("lets in as many as it has permits, and the rest in order as permits come back", async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 10 });
  await semaphore.acquire();
  const order: number[] = [];
  const waiting = [1, 2, 3].map((n) => semaphore.acquire().then(() => order.push(n)));
  assert.equal(semaphore.waiting, 3);
  for (const waiter of waiting) {
    semaphore.release();
    await waiter;
  }
  assert.deepEqual(order, [1, 2, 3]);
});

test("refuses at once when too many wait", async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 0 });
  await semaphore.acquire();
  await assert.rejects(semaphore.acquire(), QueueFullError);
});

test("one who gives up leaves the queue, the permit and the signal as if never there", async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 1 });
  await semaphore.acquire();
  const controller = new AbortController();
  const waiting = semaphore.acquire(controller.signal);
  controller.abort(new Error("gave up"));
  await assert.rejects(waiting, /gave up/);
  assert.equal(semaphore.waiting, 0);
  semaphore.release();
  await semaphore.acquire(new AbortController().signal);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("a signal that aborts after the permit was given changes nothing", async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 1 });
  await semaphore.acquire();
  const controller = new AbortController();
  const waiting = semaphore.acquire(controller.signal);
  semaphore.release();
  controller.abort();
  await waiting;
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("one whose signal has aborted does not enter, even where a permit is free", async () => {
  const semaphore = new Semaphore({ permits: 1, maxWaiting: 1 });
  await assert.rejects(semaphore.acquire(AbortSignal.abort(new Error("late"))), /late/);
  await semaphore.acquire();
});

test("refuses options out of range", () => {
  assert.throws(() => new Semaphore({ permits: 0, maxWaiting: 1 }), RangeError);
  assert.throws(() => new Semaphore({ permits: 1, maxWaiting: -1 }), RangeError);
});
