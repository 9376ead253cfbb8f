import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import { ClosedError, QueueFullError, WaitTimeoutError } from "./refusals.ts";
import { TaskQueue } from "./task-queue.ts";

test("hands over tasks in order, and a submitter waits while the queue is full", async () => {
  const queue = new TaskQueue<number>({ capacity: 2 });
  await queue.submit(1);
  await queue.submit(2);
  assert.equal(queue.trySubmit(9), false);
  const third = queue.submit(3);
  assert.deepEqual([queue.size, queue.submitting], [2, 1]);
  assert.equal(await queue.take(), 1);
  await third;
  assert.deepEqual([await queue.take(), await queue.take()], [2, 3]);
});

test("takers that wait are served in order, each with a task of its own", async () => {
  const queue = new TaskQueue<number>({ capacity: 1 });
  const takes = [queue.take(), queue.take()];
  assert.equal(queue.taking, 2);
  assert.deepEqual([queue.trySubmit(1), queue.trySubmit(2), queue.size], [true, true, 0]);
  assert.deepEqual(await Promise.all(takes), [1, 2]);
});

test("a submitter whose time is over has queued nothing, a taker has taken nothing", async () => {
  const clock = new VirtualClock();
  const queue = new TaskQueue<number>({ capacity: 1, timers: clock });
  const take = assert.rejects(queue.take({ timeoutMs: 5 }), WaitTimeoutError);
  await clock.advance(5);
  await take;
  queue.trySubmit(1);
  const submit = assert.rejects(queue.submit(2, { timeoutMs: 5 }), WaitTimeoutError);
  await clock.advance(5);
  await submit;
  assert.deepEqual([await queue.take(), queue.size, clock.pending], [1, 0, 0]);
});

test("refuses those who find no room to wait", async () => {
  const queue = new TaskQueue<number>({ capacity: 1, maxWaiting: 0 });
  await assert.rejects(queue.take(), QueueFullError);
  await queue.submit(1);
  await assert.rejects(queue.submit(2), QueueFullError);
});

test("closing lets loops finish what is queued, and then ends them", async () => {
  const queue = new TaskQueue<number>({ capacity: 10 });
  for (const n of [1, 2, 3]) queue.trySubmit(n);
  let closed = false;
  const closing = queue.close().then(() => {
    closed = true;
  });
  await assert.rejects(queue.submit(4), ClosedError);
  assert.equal(queue.trySubmit(4), false);
  const seen: number[] = [];
  for await (const task of queue) {
    seen.push(task);
    if (seen.length < 3) assert.equal(closed, false, "closed while tasks were queued");
  }
  assert.deepEqual(seen, [1, 2, 3]);
  await closing;
  await assert.rejects(queue.take(), ClosedError);
});

test("closing refuses a submitter that waits for room, and ends a loop that waits for a task", async () => {
  const full = new TaskQueue<number>({ capacity: 1 });
  full.trySubmit(1);
  const submit = assert.rejects(full.submit(2), ClosedError);
  void full.close();
  await submit;
  const empty = new TaskQueue<number>({ capacity: 1 });
  const loop = (async () => {
    for await (const _ of empty) assert.fail("there was no task");
  })();
  await empty.close();
  await loop;
});

test("aborting answers what was queued, and all who wait and who come get the reason, loops too", async () => {
  const queue = new TaskQueue<number>({ capacity: 2 });
  const loop = (async () => {
    for await (const _ of queue);
  })();
  const reason = new Error("broken");
  assert.deepEqual(queue.abort(reason), []);
  await assert.rejects(loop, reason);
  const full = new TaskQueue<number>({ capacity: 2 });
  full.trySubmit(1);
  full.trySubmit(2);
  const submit = assert.rejects(full.submit(3), ClosedError);
  const closing = full.close();
  await submit;
  assert.deepEqual(full.abort(reason), [1, 2]);
  await closing;
  await assert.rejects(full.take(), reason);
  await assert.rejects(full.submit(4), reason);
});

test("refuses options out of range", () => {
  assert.throws(() => new TaskQueue({ capacity: 0 }), /capacity must be/);
  assert.throws(() => new TaskQueue({ capacity: 1, maxWaiting: -1 }), /maxWaiting must be/);
});
