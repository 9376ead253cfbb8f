import { type Clock, maxDelayMs, requireInteger, systemClock, systemTimers, type Timers } from "@shoal/kernel";
import type { PoolEvent } from "./pool-events.ts";

/** How a pool behaves, whatever its members are. `Infinity` for a time means never. */
export interface PoolSettings {
  /** Names the pool in errors. Default: `pool`. */
  readonly name: string;
  /** Members kept open, 0 to `max`. Default: 0. */
  readonly min: number;
  /** Members open or being opened at once, 1 to 10,000. Default: 10. */
  readonly max: number;
  /**
   * The share of what the open members can carry, above 0 to 1, from which on one more is opened ahead of need, and up to
   * which a member is filled before another is begun. Default: 0.8.
   */
  readonly growAt: number;
  /** After how long without a user a member is closed, in milliseconds from 1, where more than `min` are open. Default: 60 s. */
  readonly idleMs: number;
  /** After how long a member is replaced, in milliseconds from 1. Default: 30 min. */
  readonly maxAgeMs: number;
  /** The share of `maxAgeMs`, 0 to 1, of which a random part is taken off, so that members do not end together. Default: 0.2. */
  readonly ageJitter: number;
  /** After how long without a user a member is checked before it is lent, in milliseconds from 1. Default: 10 s. */
  readonly checkAfterMs: number;
  /** How long an open or a check may take, 1 to 2,147,483,647 milliseconds. Default: 5 s. */
  readonly openTimeoutMs: number;
  /** How long the pool waits after a first failed open, in milliseconds from 1; doubled with each further one. Default: 100 ms. */
  readonly minBackoffMs: number;
  /** How long it waits at most, from `minBackoffMs`. Default: 10 s. */
  readonly maxBackoffMs: number;
  /** Callers that may wait, 0 to 1,000,000, besides those for whom a member is being opened or checked. Default: 1,000. */
  readonly maxWaiters: number;
  /** How long a caller waits at most, 1 to 2,147,483,647 milliseconds; its own deadline can only shorten this. Default: 5 s. */
  readonly acquireTimeoutMs: number;
  /** After how long a lease is reported as leaked, in milliseconds from 1. Default: 60 s. */
  readonly leakAfterMs: number;
}

/** What a pool is made of. */
export interface PoolOptions<M> extends Partial<PoolSettings> {
  /**
   * Opens a member, another one each time. `signal` aborts when that takes too long or the pool ends; a member that comes
   * after that is closed.
   */
  readonly open: (signal: AbortSignal) => Promise<M>;
  /** Closes a member, broken ones too. Called once for each. The drain waits for it, so it must settle. */
  readonly close: (member: M) => unknown;
  /** Says whether a member that was idle still works. One that does not is closed; so is one whose check fails or takes too long. */
  readonly check?: (member: M, signal: AbortSignal) => Promise<boolean>;
  /**
   * How many users a member serves at once: a whole number from 1 (default: 1), or what tells it for a member (from 0, and
   * `Infinity`), asked before each lending. Say `limitChanged` when it has grown.
   */
  readonly concurrency?: number | ((member: M) => number);
  /** Told of all that happens, at once. What it throws is ignored. */
  readonly onEvent?: (event: PoolEvent) => void;
  /** What callers' deadlines are measured by. Default: the machine's clock. */
  readonly clock?: Clock;
  /** Everything else about time. Default: the machine's timers. */
  readonly timers?: Timers;
  /** From 0 up to 1, for jitter. Default: `Math.random`. */
  readonly random?: () => number;
}

/** 0 to 10 members, each of which serves one user; see each setting. */
export const defaultPoolOptions = Object.freeze({
  name: "pool",
  min: 0,
  max: 10,
  growAt: 0.8,
  idleMs: 60_000,
  maxAgeMs: 1_800_000,
  ageJitter: 0.2,
  checkAfterMs: 10_000,
  openTimeoutMs: 5_000,
  minBackoffMs: 100,
  maxBackoffMs: 10_000,
  maxWaiters: 1_000,
  acquireTimeoutMs: 5_000,
  leakAfterMs: 60_000,
  concurrency: 1,
  clock: systemClock,
  timers: systemTimers,
  random: Math.random,
} satisfies Partial<PoolOptions<never>>);

/** Options with every default filled in. */
export type CompletePoolOptions<M> = PoolOptions<M> &
  PoolSettings &
  Required<Pick<PoolOptions<M>, "concurrency" | "clock" | "timers" | "random">>;

/** Fills in the defaults. Throws a `RangeError` that names the option that is out of its range, and the range. */
export function completePoolOptions<M>(given: PoolOptions<M>): CompletePoolOptions<M> {
  const options: CompletePoolOptions<M> = { ...defaultPoolOptions, ...given };
  requireInteger("max", options.max, 1, 10_000);
  requireInteger("min", options.min, 0, options.max);
  if (typeof options.concurrency === "number") requireInteger("concurrency", options.concurrency, 1);
  requireShare("growAt", options.growAt, Number.MIN_VALUE, "above 0");
  requireShare("ageJitter", options.ageJitter, 0, "from 0");
  requireDuration("idleMs", options.idleMs);
  requireDuration("maxAgeMs", options.maxAgeMs);
  requireDuration("checkAfterMs", options.checkAfterMs);
  requireDuration("leakAfterMs", options.leakAfterMs);
  requireInteger("openTimeoutMs", options.openTimeoutMs, 1, maxDelayMs);
  requireInteger("acquireTimeoutMs", options.acquireTimeoutMs, 1, maxDelayMs);
  requireInteger("minBackoffMs", options.minBackoffMs, 1, maxDelayMs);
  requireInteger("maxBackoffMs", options.maxBackoffMs, options.minBackoffMs, maxDelayMs);
  requireInteger("maxWaiters", options.maxWaiters, 0, 1_000_000);
  return options;
}

function requireShare(name: string, value: number, min: number, from: string): void {
  if (!(value >= min && value <= 1)) throw new RangeError(`${name} must be a number ${from} to 1, not ${value}`);
}

function requireDuration(name: string, value: number): void {
  if (value !== Number.POSITIVE_INFINITY) requireInteger(name, value, 1);
}
