import assert from "node:assert/strict";
import { test } from "node:test";
import { median, quantile, rotated } from "./statistics.ts";

test("the median is the middle value, or the mean of the middle two", () => {
  assert.equal(median([9, 1, 10]), 9);
  assert.equal(median([4, 1, 100, 2]), 3);
  assert.throws(() => median([]), RangeError);
});

test("quantiles between two values are interpolated", () => {
  const values = [50, 10, 30, 20, 40];
  assert.deepEqual(
    [0, 0.25, 0.6, 1].map((part) => quantile(values, part)),
    [10, 20, 34, 50],
  );
});

test("each round begins with another one, and every other round goes backwards", () => {
  const orders = [0, 1, 2, 3].map((round) => rotated(["a", "b", "c"], round).join(""));
  assert.deepEqual(orders, ["abc", "acb", "cab", "cba"]);
  assert.deepEqual(rotated([], 1), []);
});

test("over two turns of rounds everybody is at each place equally often", () => {
  const items = ["a", "b", "c", "d", "e"];
  const places = new Map<string, number>();
  for (let round = 0; round < 10; round++)
    for (const [place, item] of rotated(items, round).entries())
      places.set(`${item}${place}`, (places.get(`${item}${place}`) ?? 0) + 1);
  assert.deepEqual(new Set(places.values()), new Set([2]));
});
