import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import fc from "fast-check";
import { RetryBudget, type RetryBudgetEvent } from "./retry-budget.ts";

test("allows attempts while more than half of the tokens are left", () => {
  const budget = new RetryBudget({ maxTokens: 10, tokenRatio: 0.5 });
  for (let n = 0; n < 4; n += 1) budget.recordFailure();
  assert.equal(budget.allows, true);
  budget.recordFailure();
  assert.equal(budget.tokens, 5);
  assert.equal(budget.allows, false);
  budget.recordSuccess();
  assert.equal(budget.allows, true);
});

test("tokens stay within 0 and the most that there may be", () => {
  const budget = new RetryBudget({ maxTokens: 2, tokenRatio: 1 });
  budget.recordSuccess();
  assert.equal(budget.tokens, 2);
  for (let n = 0; n < 5; n += 1) budget.recordFailure();
  assert.equal(budget.tokens, 0);
});

test("a hedge takes a token of those that retries live on, and none where none is allowed", () => {
  const budget = new RetryBudget({ maxTokens: 4, tokenRatio: 0.1 });
  assert.deepEqual([budget.tryHedge(), budget.tryHedge(), budget.tryHedge()], [true, true, false]);
  assert.equal(budget.tokens, 2);
});

test("tells once when it is exhausted and once when it is refilled, and ignores what the listener throws", () => {
  const events: RetryBudgetEvent[] = [];
  const onEvent = (event: RetryBudgetEvent) => {
    events.push(event);
    throw new Error("ignored");
  };
  const budget = new RetryBudget({ maxTokens: 4, tokenRatio: 1, onEvent });
  for (let n = 0; n < 4; n += 1) budget.recordFailure();
  for (let n = 0; n < 4; n += 1) budget.recordSuccess();
  assert.deepEqual(events, [
    { type: "exhausted", tokens: 2 },
    { type: "refilled", tokens: 3 },
  ]);
});

test("refuses options out of range by name", () => {
  for (const maxTokens of [0, -1, 1_001, Number.NaN])
    assert.throws(() => new RetryBudget({ maxTokens }), /maxTokens must be a number above 0 to 1000/);
  for (const tokenRatio of [0, 1.1, Number.NaN])
    assert.throws(() => new RetryBudget({ tokenRatio }), /tokenRatio must be a number above 0 to 1/);
});

test("however calls fail, further attempts stay within the tokens and a share of the calls that succeed", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 100, noNaN: true }),
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      fc.array(fc.constantFrom("success", "failure", "hedge"), { maxLength: 500 }),
      (maxTokens, tokenRatio, steps) => {
        const budget = new RetryBudget({ maxTokens, tokenRatio });
        let further = 0;
        let successes = 0;
        for (const step of steps) {
          if (step === "success") {
            successes += 1;
            budget.recordSuccess();
          } else if (step === "hedge") further += budget.tryHedge() ? 1 : 0;
          else {
            budget.recordFailure();
            further += budget.allows ? 1 : 0;
          }
          assert.ok(budget.tokens >= 0 && budget.tokens <= maxTokens);
          assert.ok(further <= maxTokens / 2 + 1 + tokenRatio * successes + 1e-6, `${further} further attempts`);
        }
      },
    ),
  );
});

/**
 * Calls through `hops` clients in a row, each of which tries up to 5 times; answers how many reach the last server. Servers
 * fail as `fails` says, those in the middle after they have been answered: the worst they can do.
 */
function loadOverHops(hops: number, calls: number, fails: (load: number, isLast: boolean) => boolean): number {
  const budgets = Array.from({ length: hops }, () => new RetryBudget());
  let load = 0;
  const call = (hop: number): boolean => {
    const budget = budgets[hop];
    if (budget === undefined) {
      load += 1;
      return !fails(load, true);
    }
    for (let attempt = 1; ; attempt += 1) {
      if (call(hop + 1) && !(hop + 1 < hops && fails(load, false))) {
        budget.recordSuccess();
        return true;
      }
      budget.recordFailure();
      if (attempt === 5 || !budget.allows) return false;
    }
  };
  for (let n = 0; n < calls; n += 1) call(0);
  return load;
}

const calls = 5_000;
/** At the share that the budget just allows, 0.09, there are most attempts. */
const shares = [0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.08, 0.09, 0.1, 0.12, 0.15, 0.3, 0.5, 0.9, 1];

test("over three hops, each of which retries, trouble of the last one adds no more than a fifth of the load", () => {
  for (const share of shares) {
    const random = randomFrom(7);
    const load = loadOverHops(3, calls, (_, isLast) => isLast && random() < share) / calls;
    assert.ok(load <= 1.2, `${load} times the calls while ${share} of them fail in the last server`);
  }
});

test("where each of three hops fails by itself there are 1.1³ times the calls at most, besides the bursts at first", () => {
  for (const share of shares) {
    const random = randomFrom(7);
    const load = loadOverHops(3, calls, () => random() < share) / calls;
    // Each budget's own bound, one upon the other.
    assert.ok(load <= (1.1 + 51 / calls) ** 3, `${load} times the calls while ${share} of them fail in each server`);
    if (share >= 0.12) assert.ok(load <= 1.2, `${load} times the calls while ${share}, an outage, fail in each server`);
  }
});

test("where outages of all three come and go, no more than a fifth is added", () => {
  const calls = 20_000;
  for (const period of [10, 100, 1_000, 5_000]) {
    const load = loadOverHops(3, calls, (load) => load % period < period / 2) / calls;
    assert.ok(load <= 1.2, `${load} times the calls in periods of ${period}`);
  }
});

test("a few failures among many calls are all retried", () => {
  const random = randomFrom(3);
  const budget = new RetryBudget();
  for (let n = 0; n < 10_000; n += 1) {
    if (random() < 0.02) {
      budget.recordFailure();
      assert.ok(budget.allows);
    }
    budget.recordSuccess();
  }
});
