import assert from "node:assert/strict";
import { test } from "node:test";
import { Deaths } from "./deaths.ts";

test("an instance that dies at once is worth two more starts, and one that has lived for long any number", () => {
  const deaths = new Deaths();
  const lives = (name: string, ms: number) => {
    deaths.ready(name, 1_000);
    return deaths.died(name, 1_000 + ms);
  };
  for (let time = 0; time < 10; time += 1) assert.equal(lives("order", 10_000), true);
  assert.deepEqual([lives("order", 100), lives("order", 100)], [true, true]);
  assert.equal(lives("order-2", 100), true);
  assert.equal(lives("order", 9_999), false);
  assert.equal(lives("order-2", 60_000), true);
  assert.deepEqual([lives("order-2", 0), lives("order-2", 0), lives("order-2", 0)], [true, true, false]);
});
