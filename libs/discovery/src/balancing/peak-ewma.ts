/**
 * How long calls take, in milliseconds, from what they took: a mean in which older ones count less and less, by
 * `exp(-age / decayMs)`, but which jumps at once to any duration above it. So it learns of trouble from one call, and
 * forgets it slowly. While nothing is heard it relaxes towards what is typical, for what it knew is then out of date.
 *
 * After the peak EWMA of Finagle's load balancer (Twitter), which relaxes towards 0 instead.
 */
export class PeakEwma {
  readonly #decayMs: number;
  #value = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** `decayMs`: after how long without news a third (1/e) of what was known is left. */
  constructor(decayMs: number) {
    this.#decayMs = decayMs;
  }

  /** What to expect at `now`, where `typical` is what to expect of an endpoint that nothing is known of. */
  read(now: number, typical: number): number {
    return typical + (this.#value - typical) * this.#weightAt(now);
  }

  /** A call took `durationMs` and ended at `now`. */
  observe(durationMs: number, now: number): void {
    this.#value = durationMs > this.#value ? durationMs : durationMs + (this.#value - durationMs) * this.#weightAt(now);
    this.#at = now;
  }

  #weightAt(now: number): number {
    return Math.exp((this.#at - now) / this.#decayMs);
  }
}
