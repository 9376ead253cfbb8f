/** How much of what is known the next call replaces. */
const step = 1 / 8;

/**
 * The share of calls that fail, by the latest of them: a moving mean over about eight calls, that is forgotten by
 * `exp(-age / decayMs)` while no call ends, so that an endpoint that nobody calls is tried again.
 */
export class FailureShare {
  readonly #decayMs: number;
  #share = 0;
  #at = 0;

  /** `decayMs`: after how long without calls a third (1/e) of the share is left. */
  constructor(decayMs: number) {
    this.#decayMs = decayMs;
  }

  /** The share at `now`, 0 to 1. */
  read(now: number): number {
    return this.#share === 0 ? 0 : this.#share * Math.exp((this.#at - now) / this.#decayMs);
  }

  /** A call ended at `now`. */
  observe(failed: boolean, now: number): void {
    const share = this.read(now);
    this.#share = share + ((failed ? 1 : 0) - share) * step;
    this.#at = now;
  }
}
