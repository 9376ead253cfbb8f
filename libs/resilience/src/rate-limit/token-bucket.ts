import { requireInteger, systemTimers } from "@shoal/kernel";
import type { RateLimiter } from "./rate-limiter.ts";
import { requireCost, requireRate } from "./require-rate.ts";

/** How much a {@link TokenBucket} lets through. */
export interface TokenBucketOptions {
  /** How many tokens come back in a second, above 0 to 1,000,000,000; a fraction for less than one. */
  readonly perSecond: number;
  /** How many tokens there are at most, and at first: 1 to 1,000,000,000. Default: 1. */
  readonly burst?: number;
  /** Milliseconds since some moment; never goes back. Default: the machine's. */
  readonly now?: () => number;
}

/** One token at once. */
export const defaultTokenBucketOptions = Object.freeze({
  burst: 1,
  now: systemTimers.now,
} satisfies Partial<TokenBucketOptions>);

/**
 * Lets bursts through and holds the rate: in any time t no more than `burst + perSecond * t` passes. The generic cell rate
 * algorithm in its form as a continuous-state leaky bucket (ITU-T I.371, annex A), counted in what is still free instead of
 * in what is taken, so that a change of rate needs no conversion. Its state is that number and the time of it.
 */
export class TokenBucket implements RateLimiter {
  readonly #now: () => number;
  #perSecond: number;
  #perMs: number;
  #burst: number;
  /** How many tokens there were at `#at`. */
  #tokens: number;
  #at: number;

  /** Throws a `RangeError` for options out of range. */
  constructor(options: TokenBucketOptions) {
    const { perSecond, burst, now } = { ...defaultTokenBucketOptions, ...options };
    check(perSecond, burst);
    this.#now = now;
    this.#perSecond = perSecond;
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = now();
  }

  /** See {@link RateLimiter.tryAcquire}; `Infinity` for a cost above `burst`. */
  tryAcquire(cost = 1): number {
    requireCost(cost);
    const now = this.#now();
    const tokens = this.#tokensAt(now);
    if (tokens < cost) return this.#waitMs(cost, now);
    this.#tokens = tokens - cost;
    this.#at = now;
    return 0;
  }

  /** See {@link RateLimiter.isIdle}. */
  isIdle(): boolean {
    return this.#tokensAt(this.#now()) >= this.#burst;
  }

  /**
   * Changes what is named, from now on; throws a `RangeError`, and changes nothing, where that is out of range. A larger
   * burst fills at the rate: nobody gets more at once than there was before.
   */
  setOptions({
    perSecond = this.#perSecond,
    burst = this.#burst,
  }: Pick<Partial<TokenBucketOptions>, "perSecond" | "burst">): void {
    check(perSecond, burst);
    const now = this.#now();
    this.#tokens = Math.min(burst, this.#tokensAt(now));
    this.#at = now;
    this.#perSecond = perSecond;
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
  }

  #tokensAt(now: number): number {
    return Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
  }

  #waitMs(cost: number, now: number): number {
    if (cost > this.#burst) return Number.POSITIVE_INFINITY;
    const waitMs = Math.max(1, Math.ceil((cost - this.#tokens) / this.#perMs - (now - this.#at)));
    // A division that was rounded down would send the caller here once more.
    return this.#tokensAt(now + waitMs) < cost ? waitMs + 1 : waitMs;
  }
}

function check(perSecond: number, burst: number): void {
  requireRate(perSecond);
  requireInteger("burst", burst, 1, 1_000_000_000);
}
