import assert from "node:assert/strict";
import { test } from "node:test";
import { tasksAtWork } from "./at-work.ts";
import { repeat } from "./repeat.ts";

const nothing = () => {};

test("runs again and again, never twice at a time", async () => {
  let atWork = 0;
  let runs = 0;
  const done = Promise.withResolvers<void>();
  const repeating = repeat(
    async () => {
      assert.equal(atWork, 0);
      atWork += 1;
      await new Promise(setImmediate);
      atWork -= 1;
      runs += 1;
      if (runs === 5) done.resolve();
      return false;
    },
    { intervalMs: 1, onError: done.reject },
  );
  await done.promise;
  await repeating.stop();
});

test("a run is among the tasks at work, under its name, until it is over", async () => {
  const listed = () => tasksAtWork().filter(({ scope }) => scope === "sweep").length;
  const during = Promise.withResolvers<number>();
  const repeating = repeat(
    async () => {
      during.resolve(listed());
      return false;
    },
    { intervalMs: 1, onError: nothing, name: "sweep" },
  );
  assert.equal(await during.promise, 1);
  await repeating.stop();
  assert.equal(listed(), 0);
});

test("goes on at once while there is more to do", async () => {
  let runs = 0;
  const done = Promise.withResolvers<void>();
  const repeating = repeat(
    async () => {
      runs += 1;
      if (runs === 1_000) done.resolve();
      return runs < 1_000;
    },
    { intervalMs: 20, onError: nothing },
  );
  await done.promise;
  await repeating.stop();
  assert.equal(runs, 1_000);
});

/** Repeats work that always fails, until it has run three times. */
async function failThrice(onError: (error: unknown) => void): Promise<void> {
  const done = Promise.withResolvers<void>();
  let runs = 0;
  const repeating = repeat(
    async () => {
      runs += 1;
      if (runs === 3) done.resolve();
      throw new Error(`run ${runs}`);
    },
    { intervalMs: 1, onError },
  );
  await done.promise;
  await repeating.stop();
}

test("a failing run is reported and does not end the repetition", async () => {
  const errors: unknown[] = [];
  await failThrice((error) => errors.push(error));
  assert.ok(errors.length >= 2);
});

test("a listener that throws does not end the repetition", async () => {
  await failThrice(() => {
    throw new Error("no log");
  });
});

test("stopping waits for the run at work, whose signal aborts, and nothing runs afterwards", async () => {
  const started = Promise.withResolvers<void>();
  let finished = false;
  const repeating = repeat(
    async (signal) => {
      started.resolve();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      finished = true;
      return true;
    },
    { intervalMs: 1, onError: nothing },
  );
  await started.promise;
  await repeating.stop();
  assert.equal(finished, true);
  await repeating.stop();
});

test("work that never waits leaves the process its turns", async () => {
  let turns = 0;
  const repeating = repeat(async () => true, { intervalMs: 1, onError: nothing });
  while (turns < 10) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    turns += 1;
  }
  await repeating.stop();
});

test("refuses an interval below 1 ms, and one that no timer takes, which would be none", () => {
  for (const intervalMs of [0, 2_147_483_648])
    assert.throws(() => repeat(async () => false, { intervalMs, onError: nothing }), /intervalMs must be/);
});
