import assert from "node:assert/strict";
import { test } from "node:test";
import { scenarios } from "./scenarios.ts";
import { type Simulation, simulate } from "./simulate.ts";

const short: Omit<Simulation, "scenario"> = {
  instances: 10,
  balancing: { policy: "p2c_ewma" },
  seed: 1,
  measuredMs: 3_000,
};

for (const scenario of scenarios)
  test(`${scenario.name}: the same seed has the same result, another one another`, () => {
    const result = simulate({ ...short, scenario });
    assert.deepEqual(simulate({ ...short, scenario }), result);
    assert.notDeepEqual(simulate({ ...short, scenario, seed: 2 }), result);
  });

test("what is measured is what the scenario does", () => {
  const of = (name: string) => {
    const scenario = scenarios.find((one) => one.name === name);
    assert.ok(scenario);
    return simulate({ ...short, scenario, balancing: { policy: "round_robin", ejection: false } });
  };
  const healthy = of("healthy");
  // 10 instances, 4 at a time, 20 ms each, 65 % of that, for 3 seconds.
  assert.ok(Math.abs(healthy.calls - 3_900) < 250, `${healthy.calls} calls`);
  assert.ok(healthy.p50 > 12 && healthy.p50 < 25, `p50 ${healthy.p50}`);
  assert.equal(healthy.errors, 0);
  assert.ok(healthy.maxLoad < 1.02 && healthy.loadVariation < 0.02);
  const slow = of("slow");
  assert.ok(slow.p99 > 10 * healthy.p99, `p99 ${slow.p99}`);
  const failing = of("fail-fast");
  assert.ok(Math.abs(failing.errors - 0.1) < 0.01 && Math.abs(failing.troubledLoad - 1) < 0.1);
});
