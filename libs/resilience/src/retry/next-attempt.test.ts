import assert from "node:assert/strict";
import { test } from "node:test";
import { type FailedAttempt, nextAttempt } from "./next-attempt.ts";
import { RetryBudget } from "./retry-budget.ts";

const policy = {
  maxAttempts: 3,
  initialBackoffMs: 100,
  maxBackoffMs: 1_000,
  backoffMultiplier: 2,
  codes: ["UNAVAILABLE", "ABORTED"],
};

const decide = (failed: Partial<FailedAttempt> = {}) =>
  nextAttempt({
    policy,
    attempt: 1,
    code: "UNAVAILABLE",
    deadline: Number.POSITIVE_INFINITY,
    now: 1_000,
    random: () => 0.5,
    ...failed,
  });

test("waits for a random part of a bound that grows", () => {
  assert.deepEqual(decide(), { retry: true, waitMs: 50 });
  assert.deepEqual(decide({ attempt: 2 }), { retry: true, waitMs: 100 });
});

test("gives up after all attempts, and after a code that is not to be repeated", () => {
  assert.deepEqual(decide({ attempt: 3 }), { retry: false, why: "attempts" });
  assert.deepEqual(decide({ code: "INVALID_ARGUMENT" }), { retry: false, why: "code" });
});

test("waits exactly as long as the callee pushes back, and gives up when it says so", () => {
  assert.deepEqual(decide({ pushbackMs: 7 }), { retry: true, waitMs: 7 });
  assert.deepEqual(decide({ pushbackMs: 0 }), { retry: true, waitMs: 0 });
  assert.deepEqual(decide({ pushbackMs: -1 }), { retry: false, why: "pushback" });
  assert.deepEqual(decide({ pushbackMs: Number.NaN }), { retry: false, why: "pushback" });
});

test("a pushback does not have repeated what the policy does not repeat", () => {
  assert.deepEqual(decide({ pushbackMs: 7, code: "INTERNAL" }), { retry: false, why: "code" });
  assert.deepEqual(decide({ pushbackMs: 7, attempt: 3 }), { retry: false, why: "attempts" });
});

test("waits at least as long as the callee asks for, and a pause on top", () => {
  assert.deepEqual(decide({ retryAfterMs: 2_000 }), { retry: true, waitMs: 2_050 });
});

test("begins no wait that the caller's deadline does not outlast", () => {
  assert.deepEqual(decide({ deadline: 1_051 }), { retry: true, waitMs: 50 });
  assert.deepEqual(decide({ deadline: 1_050 }), { retry: false, why: "deadline" });
  assert.deepEqual(decide({ deadline: 1_500, retryAfterMs: 500 }), { retry: false, why: "deadline" });
  assert.deepEqual(decide({ deadline: 1_500, pushbackMs: 500 }), { retry: false, why: "deadline" });
});

test("gives up where too many calls fail, and every failure that would be repeated counts", () => {
  const budget = new RetryBudget({ maxTokens: 6, tokenRatio: 0.1 });
  assert.equal(decide({ budget }).retry, true);
  assert.equal(decide({ budget, attempt: 3 }).retry, false);
  assert.equal(budget.tokens, 4);
  assert.deepEqual(decide({ budget }), { retry: false, why: "budget" });
});

test("what the caller did wrong costs the budget nothing, what the callee forbids to repeat does", () => {
  const budget = new RetryBudget({ maxTokens: 6, tokenRatio: 0.1 });
  decide({ budget, code: "INVALID_ARGUMENT" });
  assert.equal(budget.tokens, 6);
  decide({ budget, code: "INVALID_ARGUMENT", pushbackMs: -1 });
  assert.equal(budget.tokens, 5);
});
