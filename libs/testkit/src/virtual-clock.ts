import { setImmediate } from "node:timers/promises";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/**
 * Time that passes only when a test says so: a wall clock, a monotonic one and timers at once. Fits whatever takes
 * `now()` and `after(delayMs, run)`.
 */
export class VirtualClock {
  #now: number;
  readonly #timers = new Set<Timer>();

  /** `now`: milliseconds since the epoch. Default: the beginning of 2026. */
  constructor(now: number = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  /** The time, in milliseconds since the epoch. */
  now(): number {
    return this.#now;
  }

  /** Runs `run` once `delayMs` have passed, unless the answered function is called before. */
  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.#now + delayMs, run };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /**
   * Lets `ms` pass, 0 or more: runs each timer at its time, in the order of their times and then of their making, those
   * that are made meanwhile included. Before the first and after each, all that promises have to do is done.
   */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await setImmediate();
    for (let timer = this.#next(until); timer !== undefined; timer = this.#next(until)) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.run();
      await setImmediate();
    }
    this.#now = until;
  }

  #next(until: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer;
    return next;
  }
}
