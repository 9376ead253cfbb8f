import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "./random.ts";

const take = (seed: number, count: number) => {
  const random = randomFrom(seed);
  return Array.from({ length: count }, random);
};

test("a seed gives the same numbers each time, and another seed gives others", () => {
  assert.deepEqual(take(7, 100), take(7, 100));
  assert.notDeepEqual(take(7, 100), take(8, 100));
});

test("numbers are from 0 to below 1, and evenly spread", () => {
  const counts = new Array<number>(10).fill(0);
  for (const number of take(1, 10_000)) {
    assert.ok(number >= 0 && number < 1);
    counts[Math.floor(number * 10)] = (counts[Math.floor(number * 10)] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(Math.abs(count - 1_000) < 150, String(counts));
});
