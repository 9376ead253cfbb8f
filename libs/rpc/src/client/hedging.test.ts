import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import { FakeCall } from "./fixture-repeated-call.ts";
import { Hedging } from "./hedging.ts";

const policy = { maxAttempts: 3, delayMs: 100, nonFatalCodes: ["UNAVAILABLE"] };

function fakeCall(timeoutMs?: number, random?: () => number) {
  return new FakeCall(new VirtualClock(), timeoutMs, random);
}

function begun(call: ReturnType<typeof fakeCall>): Hedging {
  const hedging = new Hedging(call, policy);
  call.begin(false);
  hedging.start();
  return hedging;
}

function exhaust({ budget }: ReturnType<typeof fakeCall>): void {
  while (budget.allows) budget.recordFailure();
}

test("while nothing ends, attempts follow each other after the delay, as many as the policy says", async () => {
  const call = fakeCall();
  begun(call);
  await call.time.advance(10_000);
  assert.deepEqual(call.begunAt, [0, 100, 200]);
  assert.deepEqual(call.paid, [false, true, true]);
  assert.equal(call.time.pending, 0);
});

test("each of them takes a token, so that a service that is only slow is not sent everything several times", async () => {
  const call = fakeCall();
  const { tokens } = call.budget;
  begun(call);
  await call.time.advance(10_000);
  assert.equal(call.budget.tokens, tokens - 2);
});

test("without budget there is none, and the first attempt goes on", async () => {
  const call = fakeCall();
  exhaust(call);
  begun(call);
  await call.time.advance(10_000);
  assert.deepEqual([call.begun, call.live, call.givenUp], [1, 1, 0]);
  assert.deepEqual(call.events, [{ type: "refused", path: "/a.B/C", by: "retry-budget" }]);
});

test("a failure that is not fatal leads to the next attempt at once, and the delay counts anew from that", async () => {
  const call = fakeCall();
  const hedging = begun(call);
  await call.time.advance(50);
  assert.equal(hedging.failed(call.fails()), true);
  await call.time.advance(10_000);
  assert.deepEqual(call.begunAt, [0, 50, 150]);
  assert.deepEqual(call.paid, [false, false, true]);
});

test("a fatal failure ends the call, whatever is under way", async () => {
  const call = fakeCall();
  const hedging = begun(call);
  await call.time.advance(100);
  assert.equal(hedging.failed(call.fails({ code: "NOT_FOUND" })), false);
});

test("a pushback puts the next attempt off for so long", async () => {
  const call = fakeCall();
  const hedging = begun(call);
  assert.equal(hedging.failed(call.fails({ pushbackMs: 777 })), true);
  await call.time.advance(10_000);
  assert.deepEqual(call.begunAt, [0, 777, 877]);
});

for (const pushbackMs of [-1, Number.NaN]) {
  test(`after a pushback of ${pushbackMs} no more are begun, and those under way may still answer`, async () => {
    const call = fakeCall();
    const hedging = begun(call);
    await call.time.advance(100);
    assert.equal(hedging.failed(call.fails({ pushbackMs })), true);
    await call.time.advance(10_000);
    assert.equal(call.begun, 2);
    assert.equal(hedging.failed(call.fails()), false);
    assert.equal(call.time.pending, 0);
  });

  test(`after a pushback of ${pushbackMs} the call fails when nothing is under way`, () => {
    const call = fakeCall();
    assert.equal(begun(call).failed(call.fails({ pushbackMs })), false);
    assert.equal(call.time.pending, 0);
  });
}

test("when all attempts have failed the call has", async () => {
  const call = fakeCall();
  const hedging = begun(call);
  await call.time.advance(200);
  assert.equal(hedging.failed(call.fails()), true);
  assert.equal(hedging.failed(call.fails({ isPaid: true })), true);
  assert.equal(hedging.failed(call.fails({ isPaid: true })), false);
});

test("a failed attempt that took its token when it was begun takes no second one", async () => {
  const call = fakeCall();
  const hedging = begun(call);
  await call.time.advance(100);
  const { tokens } = call.budget;
  hedging.failed(call.fails({ isPaid: true }));
  assert.equal(call.budget.tokens, tokens);
  hedging.failed(call.fails());
  assert.equal(call.budget.tokens, tokens - 1);
});

test("what follows a hedge that has failed takes a token of its own: that of the hedge is spent", async () => {
  const call = fakeCall();
  const hedging = begun(call);
  await call.time.advance(100);
  const { tokens } = call.budget;
  hedging.failed(call.fails({ isPaid: true }));
  await call.time.advance(0);
  assert.deepEqual(call.paid, [false, true, true]);
  assert.equal(call.budget.tokens, tokens - 1);
});

test("without budget a failure is not followed by an attempt, and ends the call when nothing else is under way", async () => {
  const call = fakeCall();
  const hedging = begun(call);
  exhaust(call);
  assert.equal(hedging.failed(call.fails()), true);
  await call.time.advance(1_000);
  assert.deepEqual([call.begun, call.givenUp], [1, 1]);
});

test("a wait that the deadline would not outlast is not begun", () => {
  const call = fakeCall(500);
  assert.equal(begun(call).failed(call.fails({ pushbackMs: 500 })), false);
  assert.equal(call.time.pending, 0);
});

test("stopped while an attempt is begun, it arms nothing", async () => {
  const call = fakeCall();
  const hedging = begun(call);
  // As when the breaker refuses the attempt, which ends the call.
  call.begin = () => hedging.stop();
  await call.time.advance(10_000);
  assert.equal(call.time.pending, 0);
});

test("a hedge that the breaker refuses costs one token, and is not tried again and again", async () => {
  const call = fakeCall();
  const { tokens } = call.budget;
  begun(call);
  call.begin = () => {};
  await call.time.advance(10_000);
  assert.equal(call.budget.tokens, tokens - 1);
  assert.equal(call.time.pending, 0);
});
