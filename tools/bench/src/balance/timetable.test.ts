import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { Lane, Timetable } from "./timetable.ts";

test("what is due is taken in order of time, and of adding for one time", () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = randomFrom(seed);
    const timetable = new Timetable<{ at: number; order: number }>();
    const model: { at: number; order: number }[] = [];
    for (let order = 0; order < 300; order += 1) {
      if (random() < 0.6) {
        const item = { at: Math.floor(random() * 50), order };
        timetable.add(item.at, item);
        model.push(item);
        model.sort((a, b) => a.at - b.at || a.order - b.order);
      } else if (model.length > 0) assert.equal(timetable.take(), model.shift(), `seed ${seed}, turn ${order}`);
      assert.equal(timetable.nextAt, model[0]?.at ?? Number.POSITIVE_INFINITY, `seed ${seed}, turn ${order}`);
    }
  }
});

test("a lane delays each by the same time", () => {
  const lane = new Lane<number>(5);
  for (let item = 0; item < 30_000; item += 1) {
    lane.add(item, item);
    if (item < 10) continue;
    assert.equal(lane.nextAt, item - 10 + 5);
    assert.equal(lane.take(), item - 10);
  }
});

test("nothing can be taken where nothing is due", () => {
  assert.throws(() => new Timetable().take(), /nothing is due/);
  assert.throws(() => new Lane(1).take(), /nothing is due/);
});
