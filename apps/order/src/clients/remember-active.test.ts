import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, currentContext, runWithContext } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import { rememberActive } from "./remember-active.ts";

/** Answers in turn as it is told to; each question waits until it is answered. */
function askedDirectory() {
  const questions: { userId: string; signal: AbortSignal | undefined; answer(isActive: boolean | undefined): void }[] =
    [];
  const isActive = (userId: string) =>
    new Promise<boolean | undefined>((answer) => {
      questions.push({ userId, signal: currentContext()?.signal, answer });
    });
  return { questions, isActive };
}

const forMs = 1_000;

test("an active user is asked for once, and no more than once ahead when half of the time is over", async () => {
  const directory = askedDirectory();
  const { questions } = directory;
  const clock = new VirtualClock();
  const users = rememberActive(directory, forMs, clock);
  const first = users.isActive("ada");
  questions[0]?.answer(true);
  assert.equal(await first, true);
  assert.equal(await users.isActive("ada"), true);
  assert.equal(questions.length, 1);
  await clock.advance(forMs * 0.6);
  const call = new AbortController();
  const context = createContext({ requestId: "r", signal: call.signal });
  assert.equal(await runWithContext(context, () => users.isActive("ada")), true);
  assert.equal(await users.isActive("ada"), true);
  assert.equal(questions.length, 2);
  call.abort();
  assert.equal(questions[1]?.signal?.aborted, false, "it is not a part of the call");
  questions[1]?.answer(true);
  await clock.advance(forMs * 0.6);
  assert.equal(await users.isActive("ada"), true, "it was renewed");
});

test("that a user is inactive is told to all who come after it is known, and it is never remembered", async () => {
  const directory = askedDirectory();
  const { questions } = directory;
  const clock = new VirtualClock();
  const users = rememberActive(directory, forMs, clock);
  const first = users.isActive("ada");
  questions[0]?.answer(true);
  await first;
  await clock.advance(forMs * 0.6);
  assert.equal(await users.isActive("ada"), true);
  questions[1]?.answer(false);
  await clock.advance(0);
  for (const isActive of [false, undefined, true]) {
    const next = users.isActive("ada");
    questions.at(-1)?.answer(isActive);
    assert.equal(await next, isActive);
  }
  assert.equal(questions.length, 5);
});

test("a user is not remembered for longer when the directory cannot be asked, nor when 0 is said", async () => {
  const failing = { isActive: () => Promise.reject(new Error("connection refused")) };
  const fine = { isActive: async () => true };
  const directory = { isActive: fine.isActive as () => Promise<boolean> };
  const clock = new VirtualClock();
  const users = rememberActive({ isActive: () => directory.isActive() }, forMs, clock);
  assert.equal(await users.isActive("ada"), true);
  directory.isActive = failing.isActive;
  await clock.advance(forMs * 0.6);
  assert.equal(await users.isActive("ada"), true);
  await clock.advance(forMs * 0.5);
  await assert.rejects(users.isActive("ada"), /connection refused/);
  assert.equal(rememberActive(fine, 0), fine);
});
