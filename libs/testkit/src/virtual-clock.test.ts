import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "./virtual-clock.ts";

test("runs timers in the order of their times, then of their making, at their own time", async () => {
  const clock = new VirtualClock(0);
  const ran: string[] = [];
  const note = (name: string) => () => ran.push(`${name} ${clock.now()}`);
  clock.after(20, note("b"));
  clock.after(10, note("a"));
  clock.after(20, note("c"));
  clock.after(31, note("late"));
  await clock.advance(30);
  assert.deepEqual(ran, ["a 10", "b 20", "c 20"]);
  assert.deepEqual([clock.now(), clock.pending], [30, 1]);
});

test("runs what is made meanwhile, and lets promises go on before time does", async () => {
  const clock = new VirtualClock(0);
  const times: number[] = [];
  const wait = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
  const working = (async () => {
    for (let n = 0; n < 3; n += 1) {
      await wait(5);
      times.push(clock.now());
    }
  })();
  await clock.advance(15);
  await working;
  assert.deepEqual(times, [5, 10, 15]);
});

test("a timer that is called off does not run", async () => {
  const clock = new VirtualClock(0);
  const cancel = clock.after(1, () => assert.fail("it ran"));
  cancel();
  await clock.advance(10);
  assert.equal(clock.pending, 0);
});
