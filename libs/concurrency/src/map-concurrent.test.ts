import assert from "node:assert/strict";
import { test } from "node:test";
import { mapConcurrent } from "./map-concurrent.ts";

async function* numbers(count: number, onRead?: (n: number) => void) {
  for (let n = 0; n < count; n += 1) {
    onRead?.(n);
    yield n;
  }
}

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn += 1) await new Promise(setImmediate);
};

test("yields every result once, in completion order", async () => {
  const results: number[] = [];
  const source = mapConcurrent(numbers(4), 4, async (n) => {
    await turns(10 * (4 - n));
    return n;
  });
  for await (const n of source) results.push(n);
  assert.deepEqual(results, [3, 2, 1, 0]);
});

test("never has more at work than the limit, and reaches it", async () => {
  let atWork = 0;
  let most = 0;
  const source = mapConcurrent(numbers(50), 8, async (n) => {
    atWork += 1;
    most = Math.max(most, atWork);
    await turns(n % 5);
    atWork -= 1;
    return n;
  });
  const seen = new Set<number>();
  for await (const n of source) seen.add(n);
  assert.equal(most, 8);
  assert.equal(seen.size, 50);
});

test("stops reading the source while nobody takes the results", async () => {
  let read = 0;
  const source = mapConcurrent(
    numbers(1_000, () => {
      read += 1;
    }),
    4,
    async (n) => n,
  );
  await source.next();
  await turns(50);
  assert.ok(read <= 6, `read ${read} items with nobody taking results`);
  await source.return();
});

test("fails with the first failure and closes the source", async () => {
  let closed = false;
  async function* source() {
    try {
      for (let n = 0; ; n += 1) yield n;
    } finally {
      closed = true;
    }
  }
  await assert.rejects(async () => {
    for await (const _ of mapConcurrent(source(), 2, async (n) => {
      if (n === 5) throw new Error("five");
      return n;
    }));
  }, /five/);
  await turns(2);
  assert.equal(closed, true);
});

test("begins nothing more once it has failed or its reader has left, also where an item was being read", async () => {
  for (const fails of [true, false]) {
    const started: number[] = [];
    const second = Promise.withResolvers<void>();
    async function* source() {
      yield 1;
      await second.promise;
      yield 2;
    }
    const results = mapConcurrent(source(), 2, async (n) => {
      started.push(n);
      if (fails) throw new Error("one");
      return n;
    });
    if (fails) await assert.rejects(results.next(), /one/);
    else for await (const _ of results) break;
    second.resolve();
    await turns(5);
    assert.deepEqual(started, [1]);
  }
});

test("work that throws at once fails the same way", async () => {
  await assert.rejects(async () => {
    for await (const _ of mapConcurrent(numbers(3), 2, () => {
      throw new Error("at once");
    }));
  }, /at once/);
});

test("passes on a failure of the source", async () => {
  async function* source() {
    yield 1;
    throw new Error("broken source");
  }
  await assert.rejects(async () => {
    for await (const _ of mapConcurrent(source(), 2, async (n) => n));
  }, /broken source/);
});

test("refuses a limit below 1", async () => {
  await assert.rejects(mapConcurrent(numbers(1), 0, async (n) => n).next(), RangeError);
});
