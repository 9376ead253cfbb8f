import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import { KeyedMutex } from "./keyed-mutex.ts";
import { QueueFullError, WaitTimeoutError } from "./refusals.ts";

test("one at a time works on a key, in order, and other keys are not concerned", async () => {
  const mutex = new KeyedMutex<string>();
  const log: string[] = [];
  const work = (name: string) => async () => {
    log.push(`${name} begins`);
    await new Promise(setImmediate);
    log.push(`${name} ends`);
  };
  await Promise.all([mutex.run("a", work("a1")), mutex.run("a", work("a2")), mutex.run("b", work("b1"))]);
  assert.deepEqual(
    log.filter((entry) => entry.startsWith("a")),
    ["a1 begins", "a1 ends", "a2 begins", "a2 ends"],
  );
  assert.ok(log.indexOf("b1 begins") < log.indexOf("a1 ends"));
});

test("a key that nobody holds any more takes no memory", async () => {
  const mutex = new KeyedMutex<number>();
  for (let key = 0; key < 1_000; key += 1) await mutex.run(key, () => assert.equal(mutex.size, 1));
  assert.equal(mutex.size, 0);
});

test("work that fails lets the next one in", async () => {
  const mutex = new KeyedMutex<string>();
  const failing = mutex.run("a", () => Promise.reject(new Error("broken")));
  const next = mutex.run("a", () => "next");
  await assert.rejects(failing, /broken/);
  assert.equal(await next, "next");
});

test("a key that comes back goes to the one who waits, and counts once however often it is given back", async () => {
  const mutex = new KeyedMutex<string>();
  const first = await mutex.acquire("a");
  const second = mutex.acquire("a");
  const third = mutex.acquire("a");
  first.release();
  first.release();
  assert.deepEqual([mutex.tryAcquire("a"), mutex.waiting("a")], [undefined, 1]);
  (await second).release();
  (await third).release();
  assert.equal(mutex.size, 0);
});

test("refuses one whose time is over, whose signal aborts, or who finds no room to wait", async () => {
  const clock = new VirtualClock();
  const mutex = new KeyedMutex<string>({ maxWaiting: 2, timers: clock });
  const hold = await mutex.acquire("a");
  const controller = new AbortController();
  const late = assert.rejects(mutex.acquire("a", { timeoutMs: 10 }), WaitTimeoutError);
  const gone = assert.rejects(mutex.acquire("a", { signal: controller.signal }), /gave up/);
  await assert.rejects(mutex.acquire("a"), QueueFullError);
  controller.abort(new Error("gave up"));
  await clock.advance(10);
  await Promise.all([late, gone]);
  hold.release();
  assert.deepEqual([mutex.size, clock.pending], [0, 0]);
});

test("refuses options out of range", () => {
  assert.throws(() => new KeyedMutex({ maxWaiting: -1 }), /maxWaiting must be/);
});
