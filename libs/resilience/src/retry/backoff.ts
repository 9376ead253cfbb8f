/** How pauses between attempts grow. */
export interface BackoffBounds {
  /** The most that the first pause lasts, in milliseconds. */
  readonly initialBackoffMs: number;
  /** The most that any pause lasts, in milliseconds. */
  readonly maxBackoffMs: number;
  /** What the bound is multiplied by from one pause to the next, from 1. */
  readonly backoffMultiplier: number;
}

/**
 * How long to pause before the next attempt, in milliseconds, after `failures` attempts that have failed (from 1): anything
 * from 0 up to a bound that grows, so that callers who failed together do not return together. Exponential with full jitter,
 * as in gRPC's proposal A6 before its later narrowing of the jitter to a fifth; why the full one is better is in Marc
 * Brooker's "Exponential Backoff And Jitter" (AWS, 2015). `random`: from 0 to below 1. Default: `Math.random`.
 */
export function jitteredBackoffMs(failures: number, bounds: BackoffBounds, random: () => number = Math.random): number {
  const { initialBackoffMs, maxBackoffMs, backoffMultiplier } = bounds;
  return random() * Math.min(maxBackoffMs, initialBackoffMs * backoffMultiplier ** (failures - 1));
}
