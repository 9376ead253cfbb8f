import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { Broadcast } from "./broadcast.ts";
import { LaggedError } from "./subscription.ts";

const all = () => true;

test("a subscriber gets what is published from the moment it subscribes, before its first read", async () => {
  const broadcast = new Broadcast<number>(10);
  broadcast.publish(1);
  const values = broadcast.subscribe(all, new AbortController().signal);
  broadcast.publish(2);
  broadcast.publish(3);
  assert.deepEqual([(await values.next()).value, (await values.next()).value], [2, 3]);
});

test("each subscriber gets only what it accepts", async () => {
  const broadcast = new Broadcast<number>(10);
  const even = broadcast.subscribe((n) => n % 2 === 0, new AbortController().signal);
  for (const n of [1, 2, 3, 4]) broadcast.publish(n);
  assert.deepEqual([(await even.next()).value, (await even.next()).value], [2, 4]);
});

test("wakes a reader that waits", async () => {
  const broadcast = new Broadcast<string>(1);
  const values = broadcast.subscribe(all, new AbortController().signal);
  const waiting = values.next();
  broadcast.publish("now");
  assert.equal((await waiting).value, "now");
});

test("a subscriber that lags fails once and keeps nothing; the others go on", async () => {
  const broadcast = new Broadcast<number>(2);
  const slow = broadcast.subscribe(all, new AbortController().signal);
  const quick = broadcast.subscribe(all, new AbortController().signal);
  const seen: number[] = [];
  for (const n of [1, 2, 3]) {
    broadcast.publish(n);
    seen.push((await quick.next()).value as number);
  }
  await assert.rejects(slow.next(), LaggedError);
  assert.equal((await slow.next()).done, true);
  assert.deepEqual(seen, [1, 2, 3]);
  assert.equal(broadcast.size, 1);
});

test("aborting ends the wait and leaves neither subscriber nor listener", async () => {
  const broadcast = new Broadcast<number>(2);
  const controller = new AbortController();
  const values = broadcast.subscribe(all, controller.signal);
  const waiting = values.next();
  controller.abort();
  assert.equal((await waiting).done, true);
  assert.equal(broadcast.size, 0);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("leaving the loop early unsubscribes", async () => {
  const broadcast = new Broadcast<number>(2);
  const controller = new AbortController();
  const values = broadcast.subscribe(all, controller.signal);
  broadcast.publish(1);
  for await (const _ of values) break;
  assert.equal(broadcast.size, 0);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("a signal that has aborted already gives an empty iteration", async () => {
  const broadcast = new Broadcast<number>(2);
  const values = broadcast.subscribe(all, AbortSignal.abort());
  assert.equal((await values.next()).done, true);
  assert.equal(broadcast.size, 0);
});

test("drops the oldest, or the newest, where a subscriber asks for it, and counts what is dropped", async () => {
  const broadcast = new Broadcast<number>(2);
  const { signal } = new AbortController();
  const latest = broadcast.subscribe(all, signal, { whenSlow: "drop-oldest" });
  const first = broadcast.subscribe(all, signal, { whenSlow: "drop-newest" });
  for (const n of [1, 2, 3, 4]) broadcast.publish(n);
  assert.deepEqual([(await latest.next()).value, (await latest.next()).value, latest.dropped], [3, 4, 2]);
  assert.deepEqual([(await first.next()).value, (await first.next()).value, first.dropped], [1, 2, 2]);
});

test("reads that wait together are answered in order, and all of them end", async () => {
  const broadcast = new Broadcast<number>(1);
  const controller = new AbortController();
  const values = broadcast.subscribe(all, controller.signal);
  const reads = [values.next(), values.next(), values.next()];
  broadcast.publish(1);
  broadcast.publish(2);
  controller.abort();
  assert.deepEqual(
    (await Promise.all(reads)).map(({ value }) => value),
    [1, 2, undefined],
  );
});

test("closing lets subscribers read what is queued, and then ends them", async () => {
  const broadcast = new Broadcast<number>(2);
  const { signal } = new AbortController();
  const behind = broadcast.subscribe(all, signal);
  broadcast.publish(1);
  const waiting = broadcast.subscribe(all, signal).next();
  broadcast.close();
  broadcast.publish(2);
  assert.equal((await waiting).done, true);
  const seen: number[] = [];
  for await (const value of behind) seen.push(value);
  assert.deepEqual([seen, broadcast.size], [[1], 0]);
  assert.equal((await broadcast.subscribe(all, signal).next()).done, true);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("refuses a policy that it does not know, and a queue of nothing", () => {
  const { signal } = new AbortController();
  assert.throws(
    () => new Broadcast(1).subscribe(all, signal, { whenSlow: "drop" as "disconnect" }),
    /whenSlow must be one of/,
  );
  assert.throws(() => new Broadcast(0), /queueLimit must be/);
});
