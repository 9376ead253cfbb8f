/** What part of what is typical an endpoint is hoped to take that has not been called for long. */
const hope = 0.5;

/** From how many times what is typical on a call was slow; below that it may as well be chance. */
const slowFrom = 2;

/** What part of the memory one call is remembered for, slow or not; with each further slow one in a row it is twice as long. */
const firstMemory = 1 / 8;

/**
 * How long calls take, in milliseconds, from what they took: a mean in which older ones count less and less, by
 * `exp(-age / decayMs)`, but which jumps at once to any duration above it. So it learns of trouble from one call, and
 * forgets it slowly: the more slowly, the more often in a row calls were slow, for once may be chance. While nothing is
 * heard it drifts towards half of what is typical of the others: what it knew is out of date, and without some hope nobody
 * would ever look whether an endpoint that was slow still is.
 *
 * After the peak EWMA of Finagle's load balancer (Twitter), which drifts towards 0 instead.
 */
export class PeakEwma {
  readonly #decayMs: number;
  #value = 0;
  #at = Number.NEGATIVE_INFINITY;
  /** Slow calls in a row, each begun after the one before had ended: those that were slow together were slow once. */
  #strikes = 0;
  #struckAt = Number.NEGATIVE_INFINITY;

  /** `decayMs`: after how long without news a third (1/e) of what was known is left, of an endpoint that is slow all along. */
  constructor(decayMs: number) {
    this.#decayMs = decayMs;
  }

  /** What to expect at `now`, where `typical` is what the others take: just that, when nothing is known. */
  read(now: number, typical: number): number {
    if (this.#at === Number.NEGATIVE_INFINITY) return typical;
    const hoped = hope * typical;
    return hoped + (this.#value - hoped) * this.#weightAt(now);
  }

  /** A call took `durationMs` and ended at `now`, where `typical` is what the others take. */
  observe(durationMs: number, now: number, typical: number): void {
    this.#value = durationMs > this.#value ? durationMs : durationMs + (this.#value - durationMs) * this.#weightAt(now);
    this.#at = now;
    if (durationMs <= slowFrom * typical) this.#strikes = 0;
    else if (now - durationMs >= this.#struckAt) {
      this.#strikes += 1;
      this.#struckAt = now;
    }
  }

  #weightAt(now: number): number {
    const memory = Math.min(1, firstMemory * 2 ** Math.max(0, this.#strikes - 1));
    return Math.exp((this.#at - now) / (this.#decayMs * memory));
  }
}
