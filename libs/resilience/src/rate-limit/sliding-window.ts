import { requireInteger, systemTimers } from "@shoal/kernel";
import type { RateLimiter } from "./rate-limiter.ts";
import { requireCost } from "./require-rate.ts";

/** How much a {@link SlidingWindow} lets through. */
export interface SlidingWindowOptions {
  /** How much passes in one window, 1 to 1,000,000,000. */
  readonly limit: number;
  /** How long a window is, in milliseconds from 1. Default: 60 s. */
  readonly windowMs?: number;
  /** Into how many parts a window is cut, 1 to 1,000: what passed counts for up to one part too long. Default: 10. */
  readonly parts?: number;
  /** Milliseconds since some moment; never goes back. Default: the machine's. */
  readonly now?: () => number;
}

/** A minute, in parts of six seconds. */
export const defaultSlidingWindowOptions = Object.freeze({
  windowMs: 60_000,
  parts: 10,
  now: systemTimers.now,
} satisfies Partial<SlidingWindowOptions>);

/**
 * Lets no more than `limit` through in any window of `windowMs`, wherever that begins: a strict bound, unlike that of two
 * counters of which the older one is weighted, which lets twice the limit through where calls come in bursts. The price is
 * on the other side: calls are counted by parts of the window and forgotten a part at a time, so that one counts for
 * `windowMs` to `windowMs * (1 + 1 / parts)`. Holds `parts + 1` numbers.
 */
export class SlidingWindow implements RateLimiter {
  readonly #now: () => number;
  readonly #parts: number;
  /** What passed in each part, that of part number n at n modulo the length; one more than the window has. */
  readonly #counts: Float64Array;
  #limit: number;
  #windowMs: number;
  #partMs: number;
  /** The number of the part that is now. */
  #part: number;
  #sum = 0;

  /** Throws a `RangeError` for options out of range. */
  constructor(options: SlidingWindowOptions) {
    const { limit, windowMs, parts, now } = { ...defaultSlidingWindowOptions, ...options };
    check(limit, windowMs);
    requireInteger("parts", parts, 1, 1_000);
    this.#now = now;
    this.#parts = parts;
    this.#counts = new Float64Array(parts + 1);
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#partMs = windowMs / parts;
    this.#part = Math.floor(now() / this.#partMs);
  }

  /** See {@link RateLimiter.tryAcquire}; `Infinity` for a cost above `limit`. */
  tryAcquire(cost = 1): number {
    requireCost(cost);
    const now = this.#now();
    this.#moveTo(now);
    if (this.#sum + cost > this.#limit) return this.#waitMs(cost, now);
    this.#add(cost);
    return 0;
  }

  /** See {@link RateLimiter.isIdle}. */
  isIdle(): boolean {
    this.#moveTo(this.#now());
    return this.#sum === 0;
  }

  /**
   * Changes what is named, from now on; throws a `RangeError`, and changes nothing, where that is out of range. What the
   * window holds still counts: after a change of `windowMs`, as if it had passed just now.
   */
  setOptions({
    limit = this.#limit,
    windowMs = this.#windowMs,
  }: Pick<Partial<SlidingWindowOptions>, "limit" | "windowMs">): void {
    check(limit, windowMs);
    const now = this.#now();
    this.#moveTo(now);
    this.#limit = limit;
    if (windowMs === this.#windowMs) return;
    const sum = this.#sum;
    this.#counts.fill(0);
    this.#sum = 0;
    this.#windowMs = windowMs;
    this.#partMs = windowMs / this.#parts;
    this.#part = Math.floor(now / this.#partMs);
    if (sum > 0) this.#add(sum);
  }

  #add(cost: number): void {
    const index = this.#indexOf(this.#part);
    this.#counts[index] = this.#countAt(index) + cost;
    this.#sum += cost;
  }

  /** Forgets the parts that no window reaches any more. */
  #moveTo(now: number): void {
    const part = Math.floor(now / this.#partMs);
    if (part <= this.#part) return;
    const first = Math.max(this.#part + 1, part - this.#parts);
    for (let n = first; n <= part; n += 1) this.#counts[this.#indexOf(n)] = 0;
    this.#part = part;
    // Added up anew, since what is added and taken away again leaves a rest where costs are fractions.
    this.#sum = 0;
    for (const count of this.#counts) this.#sum += count;
  }

  #waitMs(cost: number, now: number): number {
    if (cost > this.#limit) return Number.POSITIVE_INFINITY;
    let sum = this.#sum;
    // The part that is now goes last, after as many as a window has.
    let part = this.#part - this.#parts;
    for (; part < this.#part; part += 1) {
      sum -= this.#countAt(this.#indexOf(part));
      if (sum + cost <= this.#limit) break;
    }
    const freeFrom = part + this.#parts + 1;
    const waitMs = Math.max(1, Math.ceil(freeFrom * this.#partMs - now));
    // Where parts are fractions of milliseconds the product may be a little less than the moment at which the part begins.
    return Math.floor((now + waitMs) / this.#partMs) < freeFrom ? waitMs + 1 : waitMs;
  }

  #indexOf(part: number): number {
    const length = this.#parts + 1;
    // Where time began below 0, so may parts.
    return ((part % length) + length) % length;
  }

  #countAt(index: number): number {
    return this.#counts[index] ?? 0;
  }
}

function check(limit: number, windowMs: number): void {
  requireInteger("limit", limit, 1, 1_000_000_000);
  requireInteger("windowMs", windowMs, 1);
}
