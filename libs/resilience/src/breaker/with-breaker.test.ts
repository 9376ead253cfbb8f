import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "@shoal/kernel";
import { AdaptiveThrottle } from "./adaptive-throttle.ts";
import type { Breaker } from "./breaker.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import { withBreaker } from "./with-breaker.ts";

test("answers what the call answers, awaited, and counts a success", async () => {
  const breaker = new CircuitBreaker();
  assert.equal(await withBreaker(breaker, async () => 7), 7);
  assert.equal(await withBreaker(breaker, () => "at once"), "at once");
  assert.deepEqual(breaker.rates, { calls: 2, failureRate: 0, slowRate: 0 });
});

test("rejects with what the call throws or rejects with, and counts what that says", async () => {
  const breaker = new CircuitBreaker();
  const broken = new Error("broken");
  const fail = () => Promise.reject(broken);
  const raise = () => {
    throw broken;
  };
  const wrong = new AppError({ kind: "invalid", reason: "WRONG", domain: "shoal.test", message: "wrong" });
  await assert.rejects(withBreaker(breaker, fail), broken);
  await assert.rejects(withBreaker(breaker, raise), broken);
  await assert.rejects(
    withBreaker(breaker, () => Promise.reject(wrong)),
    wrong,
  );
  assert.deepEqual(breaker.rates, { calls: 2, failureRate: 1, slowRate: 0 });
  await assert.rejects(withBreaker(breaker, fail, { outcomeOf: () => "success" }), broken);
  assert.equal(breaker.rates.failureRate, 2 / 3);
});

test("an open breaker refuses at once: unavailable, why, and when to come again; nothing is called", async () => {
  const breaker = new CircuitBreaker({ now: () => 0.25, openMs: 3_000 });
  breaker.force("open");
  let called = false;
  const call = () => {
    called = true;
  };
  await assert.rejects(withBreaker(breaker, call, { callee: "inventory" }), {
    name: "AppError",
    kind: "unavailable",
    reason: "CIRCUIT_OPEN",
    domain: "shoal.resilience",
    retryAfterMs: 3_000,
    message: /inventory/,
  });
  assert.equal(called, false);
});

test("a throttle refuses with a reason of its own", async () => {
  const throttle = new AdaptiveThrottle({ now: () => 0, random: () => 0 });
  for (let n = 0; n < 20; n += 1) await withBreaker(throttle, () => Promise.reject(new Error())).catch(() => {});
  await assert.rejects(
    withBreaker(throttle, () => 1),
    { kind: "unavailable", reason: "THROTTLED", retryAfterMs: Math.ceil((21 / 22) * 10_000) },
  );
});

test("a breaker that gives no reason is said to be open", async () => {
  const breaker: Breaker = { tryAcquire: () => undefined, retryAfterMs: 1 };
  await assert.rejects(
    withBreaker(breaker, () => 1),
    { reason: "CIRCUIT_OPEN", retryAfterMs: 1 },
  );
});

test("an error that cannot be judged counts as a failure, and its caller sees it", async () => {
  const breaker = new CircuitBreaker();
  const broken = new Error("broken");
  const outcomeOf = () => {
    throw new Error("what is this?");
  };
  await assert.rejects(
    withBreaker(breaker, () => Promise.reject(broken), { outcomeOf }),
    broken,
  );
  assert.deepEqual(breaker.rates, { calls: 1, failureRate: 1, slowRate: 0 });
});
