import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultBalancingOptions, defaultEjectionOptions, requireBalancingOptions } from "./options.ts";

test("the defaults are in range, and cannot be changed", () => {
  requireBalancingOptions(defaultBalancingOptions);
  assert.ok(Object.isFrozen(defaultBalancingOptions) && Object.isFrozen(defaultEjectionOptions));
});

test("what is out of range is refused by its name", () => {
  const refuses = (change: object, name: RegExp) =>
    assert.throws(() => requireBalancingOptions({ ...defaultBalancingOptions, ...change }), {
      name: "RangeError",
      message: name,
    });
  refuses({ policy: "best" }, /^policy must be one of round_robin, .*, not best$/);
  refuses({ slowStartMs: -1 }, /^slowStartMs must be .* from 0 to 600000, not -1$/);
  refuses({ decayMs: 0 }, /^decayMs /);
  const refusesEjection = (change: object, name: RegExp) =>
    refuses({ ejection: { ...defaultEjectionOptions, ...change } }, name);
  refusesEjection({ windowMs: 0 }, /^ejection\.windowMs /);
  refusesEjection({ minCalls: 0 }, /^ejection\.minCalls /);
  refusesEjection({ failureShare: 0 }, /^ejection\.failureShare /);
  refusesEjection({ failureShare: Number.NaN }, /^ejection\.failureShare /);
  refusesEjection({ consecutiveFailures: 1 }, /^ejection\.consecutiveFailures /);
  refusesEjection({ baseMs: 0 }, /^ejection\.baseMs /);
  refusesEjection({ maxMs: 4_999 }, /^ejection\.maxMs .* from 5000 /);
  refusesEjection({ probeSuccesses: 0 }, /^ejection\.probeSuccesses /);
  refusesEjection({ probeTimeoutMs: 0 }, /^ejection\.probeTimeoutMs /);
});
