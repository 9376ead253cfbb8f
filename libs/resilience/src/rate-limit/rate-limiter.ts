/** Decides at once how often something may happen. Safe to ask millions of times a second; keeps nothing of who asks. */
export interface RateLimiter {
  /**
   * Takes `cost`, above 0 (default: 1), from what is allowed. Answers 0 when that was let through. Otherwise nothing was
   * taken, and it answers after how many milliseconds, a whole number, to ask again: that will be let through then unless
   * others were faster. `Infinity`: the limit never lets through so much at once. Throws a `RangeError` for another cost.
   */
  tryAcquire(cost?: number): number;
  /** Whether it is as a new one would be: all that was taken has come back. */
  isIdle(): boolean;
}
