/** What part of what is typical an endpoint is hoped to take that has not been called for long. */
const hope = 0.5;

/**
 * How long calls take, in milliseconds, from what they took: a mean in which older ones count less and less, by
 * `exp(-age / decayMs)`, but which jumps at once to any duration above it. So it learns of trouble from one call, and
 * forgets it slowly. While nothing is heard it drifts towards half of what is typical of the others: what it knew is out
 * of date, and without some hope nobody would ever look whether an endpoint that was slow still is.
 *
 * After the peak EWMA of Finagle's load balancer (Twitter), which drifts towards 0 instead.
 */
export class PeakEwma {
  readonly #decayMs: number;
  #value = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** `decayMs`: after how long without news a third (1/e) of what was known is left. */
  constructor(decayMs: number) {
    this.#decayMs = decayMs;
  }

  /** What to expect at `now`, where `typical` is what the others take: just that, when nothing is known. */
  read(now: number, typical: number): number {
    if (this.#at === Number.NEGATIVE_INFINITY) return typical;
    const hoped = hope * typical;
    return hoped + (this.#value - hoped) * this.#weightAt(now);
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
