import type { CallWindow } from "./call-window.ts";

/** Into how many parts the time is cut: what is forgotten at once is at most such a part of the calls. */
const buckets = 10;

/**
 * The calls that ended within the last so many milliseconds, to a tenth of that: they are counted in ten buckets, the oldest
 * of which is forgotten as a whole. Ages by what it is told that the time is, so without calls too; no timers.
 */
export class TimeWindow implements CallWindow {
  calls = 0;
  failures = 0;
  slow = 0;
  readonly #bucketMs: number;
  readonly #callsOf = new Float64Array(buckets);
  readonly #failuresOf = new Float64Array(buckets);
  readonly #slowOf = new Float64Array(buckets);
  /** Which bucket since the clock's beginning is the newest, and its place among the ten. */
  #tick = Number.NEGATIVE_INFINITY;
  #place = 0;

  /** `ms`: how long, above 0. */
  constructor(ms: number) {
    this.#bucketMs = ms / buckets;
  }

  age(now: number): void {
    const tick = Math.floor(now / this.#bucketMs);
    if (tick > this.#tick) this.#turn(tick);
  }

  add(now: number, failed: boolean, slow: boolean): void {
    this.age(now);
    const place = this.#place;
    this.calls += 1;
    this.#callsOf[place] = (this.#callsOf[place] ?? 0) + 1;
    if (failed) {
      this.failures += 1;
      this.#failuresOf[place] = (this.#failuresOf[place] ?? 0) + 1;
    }
    if (slow) {
      this.slow += 1;
      this.#slowOf[place] = (this.#slowOf[place] ?? 0) + 1;
    }
  }

  clear(): void {
    this.#callsOf.fill(0);
    this.#failuresOf.fill(0);
    this.#slowOf.fill(0);
    this.calls = 0;
    this.failures = 0;
    this.slow = 0;
  }

  #turn(tick: number): void {
    const passed = tick - this.#tick;
    if (passed >= buckets) this.clear();
    else for (let n = 0; n < passed; n += 1) this.#forgetOldest();
    this.#tick = tick;
  }

  /** What comes after the newest bucket is the oldest one, which becomes the newest. */
  #forgetOldest(): void {
    const place = this.#place + 1 === buckets ? 0 : this.#place + 1;
    this.calls -= this.#callsOf[place] ?? 0;
    this.failures -= this.#failuresOf[place] ?? 0;
    this.slow -= this.#slowOf[place] ?? 0;
    this.#callsOf[place] = 0;
    this.#failuresOf[place] = 0;
    this.#slowOf[place] = 0;
    this.#place = place;
  }
}
