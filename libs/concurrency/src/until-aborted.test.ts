import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { untilAborted } from "./until-aborted.ts";

async function* numbers() {
  for (let n = 0; ; n += 1) yield n;
}

test("passes the items on until the signal aborts between two of them", async () => {
  const controller = new AbortController();
  const seen: number[] = [];
  for await (const n of untilAborted(numbers(), controller.signal)) {
    seen.push(n);
    if (n === 2) controller.abort();
  }
  assert.deepEqual(seen, [0, 1, 2]);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("ends while it waits for a source that stays silent", async () => {
  const controller = new AbortController();
  const silent: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }),
  };
  const items = untilAborted(silent, controller.signal);
  const waiting = items.next();
  controller.abort();
  assert.equal((await waiting).done, true);
});

test("closes the source when the reader leaves, and passes on its failure", async () => {
  let closed = false;
  async function* failing() {
    try {
      yield 1;
      throw new Error("broken source");
    } finally {
      closed = true;
    }
  }
  const { signal } = new AbortController();
  for await (const _ of untilAborted(failing(), signal)) break;
  await new Promise(setImmediate);
  assert.equal(closed, true);
  await assert.rejects(async () => {
    for await (const _ of untilAborted(failing(), signal));
  }, /broken source/);
});

test("keeps nothing of the items that have been read", async () => {
  const { signal } = new AbortController();
  const read: WeakRef<object>[] = [];
  async function* objects() {
    for (let n = 0; n < 1_000; n += 1) {
      const item = { n };
      read.push(new WeakRef(item));
      yield item;
    }
    await new Promise<never>(() => {});
  }
  const items = untilAborted(objects(), signal);
  for (let n = 0; n < 1_000; n += 1) await items.next();
  void items.next();
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await new Promise((resolve) => setTimeout(resolve, 1));
  collect();
  const alive = read.filter((item) => item.deref() !== undefined).length;
  assert.ok(alive < 10, `${alive} of 1,000 items are still alive`);
});
