import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { Aged, AgeList } from "./age-list.ts";

test("the oldest is the one that began first, whatever was added and removed", () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = randomFrom(seed);
    const list = new AgeList();
    const model: Aged[] = [];
    for (let turn = 0; turn < 200; turn += 1) {
      if (random() < 0.55) {
        const item = new Aged(turn);
        list.add(item);
        model.push(item);
      } else if (model.length > 0) {
        const [item] = model.splice(Math.floor(random() * model.length), 1);
        if (item !== undefined) list.remove(item);
      }
      assert.equal(list.oldest, model[0], `seed ${seed}, turn ${turn}`);
    }
  }
});

test("one that was removed can be added again", () => {
  const list = new AgeList();
  const [a, b] = [new Aged(1), new Aged(2)];
  list.add(a);
  list.add(b);
  list.remove(a);
  a.since = 3;
  list.add(a);
  assert.equal(list.oldest, b);
  list.remove(b);
  assert.equal(list.oldest, a);
  list.remove(a);
  assert.equal(list.oldest, undefined);
});
