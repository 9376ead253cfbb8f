import { setImmediate } from "node:timers/promises";
import { type BalancingPolicy, defaultEjectionOptions } from "@shoal/discovery";
import type { BenchSettings } from "../bench.ts";
import { type ScenarioName, scenarios } from "./scenarios.ts";
import { type SimulationResult, simulate } from "./simulate.ts";

/** One policy in one scenario. */
export interface SimulatedCase {
  readonly instances: number;
  readonly scenario: ScenarioName;
  readonly policy: BalancingPolicy;
  /** Whether outliers are ejected. */
  readonly ejects: boolean;
  /** One for each seed. */
  readonly results: readonly SimulationResult[];
}

/**
 * How many instances are simulated; which part of the time, for many have as many more calls in it; and of how many
 * rounds there is one, at least one in all.
 */
export const sizes = Object.freeze([
  { instances: 10, partOfTime: 1, oneRoundOf: 1 },
  { instances: 500, partOfTime: 1 / 5, oneRoundOf: 5 },
]);

/** Simulates every scenario with every policy, as many seeds as there are rounds. Where all are well nobody is ejected. */
export async function runSimulations(
  policies: readonly BalancingPolicy[],
  { rounds, seconds, signal, progress }: BenchSettings,
): Promise<readonly SimulatedCase[]> {
  const cases: SimulatedCase[] = [];
  for (const { instances, partOfTime, oneRoundOf } of sizes)
    for (const scenario of scenarios)
      for (const policy of policies)
        for (const ejects of ejectionIn(scenario.name)) {
          const results: SimulationResult[] = [];
          for (let seed = 1; seed <= Math.max(1, Math.floor(rounds / oneRoundOf)); seed += 1) {
            progress(`${instances} instances, ${scenario.name}, ${policy}, seed ${seed}`);
            // So that signals are heard between simulations, which take a second at most.
            await setImmediate(undefined, { signal });
            const balancing = { policy, ejection: ejects ? defaultEjectionOptions : false } as const;
            results.push(simulate({ instances, scenario, balancing, seed, measuredMs: seconds * 1_000 * partOfTime }));
          }
          cases.push({ instances, scenario: scenario.name, policy, ejects, results });
        }
  return cases;
}

/** Ejection is tried on and off where someone fails; elsewhere it is on, as it is by default. */
function ejectionIn(scenario: ScenarioName): readonly boolean[] {
  return scenario === "healthy" ? [true] : scenario === "fail-fast" || scenario === "slow" ? [false, true] : [true];
}
