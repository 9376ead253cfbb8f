import { type BalancingPolicy, balancingPolicies } from "@shoal/discovery";
import type { Bench } from "../bench.ts";
import { runLive } from "./live.ts";
import { reportLive } from "./live-report.ts";
import { reportSimulations } from "./simulation-report.ts";
import { runSimulations } from "./simulations.ts";

/** Whom the live part compares. */
const livePolicies: readonly BalancingPolicy[] = ["round_robin", "p2c_ewma"];

/** What each policy makes of instances that are slow, fail or are cold: simulated, and with real processes. */
export const balanceBench: Bench = {
  name: "balance",
  what: "what balancing policies make of slow, failing and cold instances",
  subjects: balancingPolicies,
  defaults: { rounds: 5, seconds: 20 },
  run: async (settings) => {
    const { only } = settings;
    const [baseline] = balancingPolicies;
    const policies = balancingPolicies.filter((policy) => policy === baseline || (only?.includes(policy) ?? true));
    const simulated = reportSimulations(await runSimulations(policies, settings));
    const both = livePolicies.filter((policy) => policies.includes(policy));
    const live = reportLive(await runLive(both, settings));
    return { tables: [...simulated.tables, ...live.tables], rows: [...simulated.rows, ...live.rows] };
  },
};
