import { requireInteger } from "@shoal/kernel";
import type { CircuitEvent } from "./circuit-state.ts";

/** Which calls count: the last so many, 1 to 100,000, or those that ended in the last so many milliseconds, from 10. */
export type CircuitWindow =
  | { readonly kind: "count"; readonly calls: number }
  | { readonly kind: "time"; readonly ms: number };

/** When a circuit breaker opens and closes. */
export interface CircuitBreakerSettings {
  /** Which calls count. A window of time is exact to a tenth of it. Default: those of the last 10 s. */
  readonly window: CircuitWindow;
  /** The share of the calls, above 0 to 1, that must fail for it to open. Default: 0.5. */
  readonly failureRate: number;
  /** A call that takes longer is slow, whatever comes of it: milliseconds from 1; `Infinity` for none. Default: `Infinity`. */
  readonly slowCallMs: number;
  /** The share of the calls, above 0 to 1, that must be slow for it to open. Default: 0.5. */
  readonly slowRate: number;
  /** With fewer calls it stays closed: from 1. A window of fewer calls than that is judged when it is full. Default: 20. */
  readonly minimumCalls: number;
  /** How long it is open before it lets probes through, in milliseconds from 1. Default: 5 s. */
  readonly openMs: number;
  /** How many probes must succeed for it to close, and so may be under way at once: 1 to 1,000. Default: 3. */
  readonly probes: number;
  /**
   * After how long a probe that has not ended gives its permit back, in milliseconds from 1. Longer than calls usually may
   * take, lest their failures come too late to count. Default: 10 s.
   */
  readonly probeTimeoutMs: number;
}

/** What a circuit breaker is made of. */
export interface CircuitBreakerOptions extends Partial<CircuitBreakerSettings> {
  /** Told of each change of state, at once, within whoever's call led to it. What it throws is ignored. */
  readonly onEvent?: (event: CircuitEvent) => void;
  /** Milliseconds since some moment; never goes back. Default: `performance.now`, which no change of the wall clock touches. */
  readonly now?: () => number;
}

/** Opens for 5 s when half of at least 20 calls of the last 10 s failed; see each setting. */
export const defaultCircuitBreakerOptions = Object.freeze({
  window: Object.freeze({ kind: "time", ms: 10_000 }),
  failureRate: 0.5,
  slowCallMs: Number.POSITIVE_INFINITY,
  slowRate: 0.5,
  minimumCalls: 20,
  openMs: 5_000,
  probes: 3,
  probeTimeoutMs: 10_000,
  now: () => performance.now(),
} satisfies CircuitBreakerOptions);

/** Options with every default filled in. */
export type CompleteCircuitBreakerOptions = CircuitBreakerOptions &
  CircuitBreakerSettings &
  Required<Pick<CircuitBreakerOptions, "now">>;

/** Fills in the defaults. Throws a `RangeError` that names the option that is out of its range, and the range. */
export function completeCircuitBreakerOptions(given: CircuitBreakerOptions): CompleteCircuitBreakerOptions {
  const options: CompleteCircuitBreakerOptions = { ...defaultCircuitBreakerOptions, ...given };
  if (options.window.kind === "count") requireInteger("window.calls", options.window.calls, 1, 100_000);
  else requireInteger("window.ms", options.window.ms, 10);
  requireShare("failureRate", options.failureRate);
  requireShare("slowRate", options.slowRate);
  if (!(options.slowCallMs >= 1)) throw new RangeError(`slowCallMs must be a number from 1, not ${options.slowCallMs}`);
  requireInteger("minimumCalls", options.minimumCalls, 1);
  requireInteger("openMs", options.openMs, 1);
  requireInteger("probes", options.probes, 1, 1_000);
  requireInteger("probeTimeoutMs", options.probeTimeoutMs, 1);
  return options;
}

function requireShare(name: string, value: number): void {
  if (!(value > 0 && value <= 1)) throw new RangeError(`${name} must be a number above 0 to 1, not ${value}`);
}
