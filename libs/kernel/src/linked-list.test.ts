import assert from "node:assert/strict";
import { test } from "node:test";
import { type Linked, LinkedList } from "./linked-list.ts";
import { randomFrom } from "./random.ts";

class Item implements Linked<Item> {
  previous: Item | undefined;
  next: Item | undefined;
  readonly number: number;

  constructor(number: number) {
    this.number = number;
  }
}

test("those who enter and leave, from anywhere, stand in the order in which they came", () => {
  const random = randomFrom(1);
  const list = new LinkedList<Item>();
  const expected: Item[] = [];
  for (let number = 0; number < 10_000; number += 1) {
    const item = new Item(number);
    if (random() < 0.55) {
      list.push(item);
      expected.push(item);
    } else if (random() < 0.5) assert.equal(list.shift(), expected.shift());
    else if (expected.length > 0) {
      const [gone] = expected.splice(Math.floor(random() * expected.length), 1);
      list.delete(gone as Item);
      assert.deepEqual([gone?.previous, gone?.next], [undefined, undefined]);
    }
    assert.equal(list.size, expected.length);
    assert.equal(list.first, expected[0]);
  }
  assert.deepEqual(
    [...list].map(({ number }) => number),
    expected.map(({ number }) => number),
  );
});

test("who has left may enter again", () => {
  const list = new LinkedList<Item>();
  const items = [1, 2, 3].map((number) => new Item(number));
  for (const item of items) list.push(item);
  const [first] = items as [Item];
  list.delete(first);
  list.push(first);
  assert.deepEqual(
    [...list].map(({ number }) => number),
    [2, 3, 1],
  );
});
