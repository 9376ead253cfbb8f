import assert from "node:assert/strict";
import { test } from "node:test";
import { Life, Scheduler } from "./scheduler.ts";

const never = () => false;

test("events happen in the order of their times, those of one time as they were asked for", async () => {
  const scheduler = new Scheduler();
  const happened: string[] = [];
  for (const [delayMs, name] of [
    [5, "late"],
    [1, "first"],
    [3, "one"],
    [3, "other"],
  ] as const)
    scheduler.after(delayMs, name, () => happened.push(`${name} at ${scheduler.now}`));
  await scheduler.run(never, 4);
  assert.deepEqual(happened, ["first at 1", "one at 3", "other at 3"]);
  assert.equal(scheduler.now, 4);
  await scheduler.run(never, 10);
  assert.deepEqual(happened.slice(3), ["late at 5"]);
});

test("what an event sets going goes on until it waits, before the next event happens", async () => {
  const scheduler = new Scheduler();
  const happened: string[] = [];
  scheduler.after(1, "first", async () => {
    for (let n = 0; n < 50; n += 1) await undefined;
    await new Promise<void>((resolve) => process.nextTick(resolve));
    happened.push("went on");
    await scheduler.pause(5, "pause");
    happened.push("paused");
  });
  scheduler.after(1.5, "second", () => happened.push("second"));
  await scheduler.run(never, 10);
  assert.deepEqual(happened, ["went on", "second", "paused"]);
});

test("nothing happens to a process that is no more, nor what was called off", async () => {
  const scheduler = new Scheduler();
  const life = new Life();
  const happened: string[] = [];
  scheduler.after(1, "alive", () => happened.push("alive"), life);
  scheduler.after(3, "dead", () => happened.push("dead"), life);
  scheduler.after(2, "death", () => {
    life.isOver = true;
  });
  const callOff = scheduler.after(4, "called off", () => happened.push("called off"));
  callOff();
  await scheduler.run(never, 10);
  assert.deepEqual(happened, ["alive"]);
});

test("it stops when it is done, and tells its history", async () => {
  const lines: string[] = [];
  const scheduler = new Scheduler((line) => lines.push(line.trim()));
  let isDone = false;
  scheduler.after(1, "one", () => {
    isDone = true;
  });
  scheduler.after(2, "two", () => {});
  await scheduler.run(() => isDone, 10);
  assert.deepEqual(lines, ["1.000  one"]);
  assert.deepEqual([scheduler.now, scheduler.events], [1, 1]);
});
