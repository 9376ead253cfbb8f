import assert from "node:assert/strict";
import { test } from "node:test";
import { splitFailedBatches } from "./split-batches.ts";

const never = new AbortController().signal;

/** A batch function that fails for a batch with one of `poison`, and what it was asked. */
function poisoned(poison: readonly number[]) {
  const batches: (readonly number[])[] = [];
  const run = async (items: readonly number[]) => {
    batches.push(items);
    if (items.some((item) => poison.includes(item))) throw new Error("poison");
    return items.map((item) => ({ value: item * 2 }));
  };
  return { run, batches };
}

test("items that cannot be done fail alone, and the others are done in their order", async () => {
  const { run, batches } = poisoned([5, 11]);
  const items = Array.from({ length: 16 }, (_, index) => index);
  const results = await splitFailedBatches(run, () => true)(items, never);
  assert.deepEqual(
    results.map((result) => ("value" in result ? result.value : "failed")),
    items.map((item) => (item === 5 || item === 11 ? "failed" : item * 2)),
  );
  assert.ok(batches.length <= 17, `${batches.length} batches`);
});

test("a batch without such an item is done once", async () => {
  const { run, batches } = poisoned([]);
  await splitFailedBatches(run, () => true)([1, 2, 3], never);
  assert.deepEqual(batches, [[1, 2, 3]]);
});

test("what no item is to blame for fails all at once", async () => {
  const { run, batches } = poisoned([1]);
  const results = await splitFailedBatches(run, () => false)([1, 2, 3], never);
  assert.ok(results.every((result) => "error" in result));
  assert.equal(batches.length, 1);
});

test("nothing more is tried when all callers have left", async () => {
  const controller = new AbortController();
  const { run, batches } = poisoned([1]);
  const leaving = async (items: readonly number[]) => {
    controller.abort();
    return await run(items);
  };
  const results = await splitFailedBatches(leaving, () => true)([1, 2, 3], controller.signal);
  assert.ok(results.every((result) => "error" in result));
  assert.equal(batches.length, 1);
});
