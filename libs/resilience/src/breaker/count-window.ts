import type { CallWindow } from "./call-window.ts";

const failedBit = 1;
const slowBit = 2;

/** The last so many calls, however long ago they ended. One byte each. */
export class CountWindow implements CallWindow {
  calls = 0;
  failures = 0;
  slow = 0;
  /** What became of each call, as a ring: before it is full, what is not used yet counts for nothing. */
  readonly #ring: Uint8Array;
  #next = 0;

  /** `size`: how many calls, from 1. */
  constructor(size: number) {
    this.#ring = new Uint8Array(size);
  }

  age(): void {}

  add(_now: number, failed: boolean, slow: boolean): void {
    const ring = this.#ring;
    const oldest = ring[this.#next] ?? 0;
    const newest = (failed ? failedBit : 0) | (slow ? slowBit : 0);
    ring[this.#next] = newest;
    this.#next = this.#next + 1 === ring.length ? 0 : this.#next + 1;
    if (this.calls < ring.length) this.calls += 1;
    this.failures += (newest & failedBit) - (oldest & failedBit);
    this.slow += ((newest & slowBit) - (oldest & slowBit)) / slowBit;
  }

  clear(): void {
    this.#ring.fill(0);
    this.calls = 0;
    this.failures = 0;
    this.slow = 0;
  }
}
