import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { subset } from "./subset.ts";

const many = Array.from({ length: 100 }, (_, index) => ({ address: `10.0.0.${index}:8080` }));

test("the same client has the same ones, in whatever order they come", () => {
  const random = randomFrom(3);
  const chosen = subset(many, "client", 10);
  assert.equal(new Set(chosen).size, 10);
  const shuffled = many.map((instance) => ({ instance, at: random() })).sort((a, b) => a.at - b.at);
  const again = subset(
    shuffled.map(({ instance }) => instance),
    "client",
    10,
  );
  assert.deepEqual(new Set(again), new Set(chosen));
});

test("all are chosen when there are no more than asked for", () => {
  assert.equal(subset(many, "client", 100), many);
  assert.equal(subset(many, "client", 1_000), many);
  assert.deepEqual(subset([], "client", 1), []);
});

test("an instance that goes or comes changes one at most", () => {
  for (let client = 0; client < 50; client += 1) {
    const before = new Set(subset(many, `client-${client}`, 10));
    for (const gone of many.slice(0, 20)) {
      const after = subset(
        many.filter((instance) => instance !== gone),
        `client-${client}`,
        10,
      );
      const added = after.filter((instance) => !before.has(instance));
      assert.equal(added.length, before.has(gone) ? 1 : 0, `client ${client} without ${gone.address}`);
    }
  }
});

test("clients spread over the instances", () => {
  const counts = new Map(many.map((instance) => [instance, 0]));
  for (let client = 0; client < 1_000; client += 1)
    for (const instance of subset(many, `client-${client}`, 10)) counts.set(instance, (counts.get(instance) ?? 0) + 1);
  // 100 each on average; by chance alone hardly anyone is 4 standard deviations (9.5) away.
  for (const [{ address }, count] of counts) assert.ok(count > 60 && count < 140, `${address} has ${count} clients`);
});

test("refuses a size below 1", () => {
  assert.throws(() => subset(many, "client", 0), RangeError);
  assert.throws(() => subset(many, "client", Number.NaN), RangeError);
});
