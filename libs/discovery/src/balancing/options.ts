import { requireInteger } from "@shoal/kernel";

/** The policies that there are. */
export const balancingPolicies = Object.freeze([
  "round_robin",
  "weighted_round_robin",
  "least_request",
  "p2c_ewma",
  "consistent_hash",
] as const);

/** How endpoints are chosen, of those that are healthy and near. */
export type BalancingPolicy = (typeof balancingPolicies)[number];

/** When an endpoint is ejected, and how it comes back. */
export interface EjectionOptions {
  /** How far back failures count, in milliseconds, 100 to 600,000. */
  readonly windowMs: number;
  /** How many calls in that time it takes to judge an endpoint, and as many of the others together, 1 to 10,000. */
  readonly minCalls: number;
  /** The least share of failures that is too much, above 0 to 1; it also has to be well above that of the others. */
  readonly failureShare: number;
  /** How many failures without a success between them can be too much already, 2 to 1,000. */
  readonly consecutiveFailures: number;
  /** How long the first ejection lasts, in milliseconds, 10 to 3,600,000; each further one twice as long. */
  readonly baseMs: number;
  /** The longest, in milliseconds, `baseMs` to 3,600,000. Who has been back for this long begins with `baseMs` again. */
  readonly maxMs: number;
  /** How many probes in a row have to succeed, 1 to 100. */
  readonly probeSuccesses: number;
  /** How long a probe may take, in milliseconds, 10 to 600,000; a call that is no stream has failed then. */
  readonly probeTimeoutMs: number;
}

/** How a {@link Balancer} chooses. */
export interface BalancingOptions {
  readonly policy: BalancingPolicy;
  /** The client's own zone, whose endpoints are preferred; empty: all endpoints are alike. */
  readonly zone: string;
  /** How long an endpoint that has just begun is given less than its share, in milliseconds, 0 (not at all) to 600,000. */
  readonly slowStartMs: number;
  /**
   * How long failures, and the latency of an endpoint that is slow all along, are remembered by `p2c_ewma`: a third of what
   * was known is left after this, in milliseconds, 10 to 600,000. What was slow once is remembered for an eighth of it.
   */
  readonly decayMs: number;
  /** When endpoints that fail are ejected; false: never. */
  readonly ejection: EjectionOptions | false;
}

/**
 * At least 20 calls in 10 seconds of which 30 % failed, or 5 failures in a row; out for 5 seconds at first and for 2
 * minutes at most; back after 3 probes, each of which may take 10 seconds.
 */
export const defaultEjectionOptions: EjectionOptions = Object.freeze({
  windowMs: 10_000,
  minCalls: 20,
  failureShare: 0.3,
  consecutiveFailures: 5,
  baseMs: 5_000,
  maxMs: 120_000,
  probeSuccesses: 3,
  probeTimeoutMs: 10_000,
});

/** `p2c_ewma` with a memory of 5 seconds, no zone, 10 seconds of slow start, ejection as by default. */
export const defaultBalancingOptions: BalancingOptions = Object.freeze({
  policy: "p2c_ewma",
  zone: "",
  slowStartMs: 10_000,
  decayMs: 5_000,
  ejection: defaultEjectionOptions,
});

/** Throws a `RangeError` that names the field and its range unless all is in range. */
export function requireBalancingOptions(options: BalancingOptions): void {
  const { policy, slowStartMs, decayMs, ejection } = options;
  if (!balancingPolicies.includes(policy))
    throw new RangeError(`policy must be one of ${balancingPolicies.join(", ")}, not ${policy}`);
  requireInteger("slowStartMs", slowStartMs, 0, 600_000);
  requireInteger("decayMs", decayMs, 10, 600_000);
  if (ejection === false) return;
  requireInteger("ejection.windowMs", ejection.windowMs, 100, 600_000);
  requireInteger("ejection.minCalls", ejection.minCalls, 1, 10_000);
  if (!(ejection.failureShare > 0 && ejection.failureShare <= 1))
    throw new RangeError(`ejection.failureShare must be a number above 0 up to 1, not ${ejection.failureShare}`);
  requireInteger("ejection.consecutiveFailures", ejection.consecutiveFailures, 2, 1_000);
  requireInteger("ejection.baseMs", ejection.baseMs, 10, 3_600_000);
  requireInteger("ejection.maxMs", ejection.maxMs, ejection.baseMs, 3_600_000);
  requireInteger("ejection.probeSuccesses", ejection.probeSuccesses, 1, 100);
  requireInteger("ejection.probeTimeoutMs", ejection.probeTimeoutMs, 10, 600_000);
}
