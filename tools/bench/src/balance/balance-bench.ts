import type { Bench } from "../bench.ts";
import { balancingPolicies } from "./balancing.ts";
import { reportSimulations } from "./simulation-report.ts";
import { runSimulations } from "./simulations.ts";

/** What each policy makes of instances that are slow, fail or are cold: simulated, and with real processes. */
export const balanceBench: Bench = {
  name: "balance",
  what: "what balancing policies make of slow, failing and cold instances",
  subjects: balancingPolicies,
  defaults: { rounds: 5, seconds: 20 },
  run: async (settings) => {
    const { only } = settings;
    const policies = balancingPolicies.filter(
      (policy, index) => only === undefined || index === 0 || only.includes(policy),
    );
    return reportSimulations(await runSimulations(policies, settings));
  },
};
