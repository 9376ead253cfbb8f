import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import { FakeCall } from "./fixture-repeated-call.ts";
import { Retrying } from "./retrying.ts";

const policy = {
  maxAttempts: 4,
  initialBackoffMs: 100,
  maxBackoffMs: 300,
  backoffMultiplier: 2,
  codes: ["UNAVAILABLE"],
};

function fakeCall(timeoutMs?: number, random?: () => number) {
  return new FakeCall(new VirtualClock(), timeoutMs, random);
}

function begun(call: ReturnType<typeof fakeCall>): Retrying {
  const retrying = new Retrying(call, policy);
  call.begin(false);
  retrying.start();
  return retrying;
}

test("pauses are drawn below a bound that grows up to the greatest, and the attempts are as many as the policy says", async () => {
  const call = fakeCall(60_000, () => 0.999_999);
  const retrying = begun(call);
  for (let n = 0; n < 3; n += 1) {
    assert.equal(retrying.failed(call.fails()), true);
    await call.time.advance(1_000);
  }
  assert.equal(retrying.failed(call.fails()), false);
  const pauses = call.begunAt.slice(1).map((at, n) => Math.round(at - 1_000 * n));
  assert.deepEqual(pauses, [100, 200, 300]);
});

test("a pause may be as short as none at all: the jitter is full", async () => {
  const call = fakeCall(60_000, () => 0);
  begun(call).failed(call.fails());
  await call.time.advance(0);
  assert.deepEqual(call.begunAt, [0, 0]);
});

test("a pushback is waited for exactly, and a least wait at least", async () => {
  const exact = fakeCall(60_000, () => 0.5);
  begun(exact).failed(exact.fails({ pushbackMs: 777, retryAfterMs: 5_000 }));
  await exact.time.advance(10_000);
  assert.deepEqual(exact.begunAt, [0, 777]);
  const least = fakeCall(60_000, () => 0.5);
  begun(least).failed(least.fails({ retryAfterMs: 1_000 }));
  await least.time.advance(10_000);
  assert.deepEqual(least.begunAt, [0, 1_050]);
});

for (const pushbackMs of [-1, Number.NaN])
  test(`a pushback of ${pushbackMs} ends the attempts`, () => {
    const call = fakeCall();
    assert.equal(begun(call).failed(call.fails({ pushbackMs })), false);
    assert.equal(call.time.pending, 0);
  });

test("a pause that the deadline would not outlast is not begun", () => {
  const call = fakeCall(500);
  assert.equal(begun(call).failed(call.fails({ pushbackMs: 500 })), false);
  assert.equal(call.time.pending, 0);
});

test("a timer that is so late that the deadline has passed gives the call up instead of sending it", async () => {
  const call = fakeCall(500);
  begun(call).failed(call.fails({ pushbackMs: 400 }));
  call.deadline = call.time.now() + 300;
  await call.time.advance(1_000);
  assert.deepEqual([call.begun, call.givenUp], [1, 1]);
});

test("without budget there is no further attempt, and the listener is told why", () => {
  const call = fakeCall();
  while (call.budget.allows) call.budget.recordFailure();
  assert.equal(begun(call).failed(call.fails()), false);
  assert.deepEqual(call.events, [{ type: "refused", path: "/a.B/C", by: "retry-budget" }]);
});

test("the listener is told of each further attempt, before its pause", () => {
  const call = fakeCall();
  begun(call).failed(call.fails({ pushbackMs: 20 }));
  assert.deepEqual(call.events, [{ type: "retry", path: "/a.B/C", attempt: 2, code: "UNAVAILABLE", waitMs: 20 }]);
});

test("stopped in a pause it makes no further attempt and leaves no timer", async () => {
  const call = fakeCall();
  const retrying = begun(call);
  retrying.failed(call.fails());
  retrying.stop();
  assert.equal(call.time.pending, 0);
  await call.time.advance(10_000);
  assert.equal(call.begun, 1);
});
