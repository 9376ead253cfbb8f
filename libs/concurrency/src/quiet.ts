import { maxDelayMs, type Timers } from "@shoal/kernel";
import { requireDuration } from "./wait-options.ts";

/** Lets others wait until something is over. Whoever makes it calls `check` after each thing that may have been the last. */
export class Quiet {
  readonly #isQuiet: () => boolean;
  readonly #timers: Timers;
  readonly #ends = new Set<() => void>();

  constructor(isQuiet: () => boolean, timers: Timers) {
    this.#isQuiet = isQuiet;
    this.#timers = timers;
  }

  /** Waits until it is quiet, or for `graceMs`: a number from 0, or `Infinity`; a `RangeError` for others. */
  async wait(graceMs: number): Promise<void> {
    requireDuration("graceMs", graceMs);
    if (this.#isQuiet()) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        cancel();
        this.#ends.delete(end);
        resolve();
      };
      this.#ends.add(end);
      const cancel = graceMs > maxDelayMs ? () => {} : this.#timers.after(graceMs, end);
    });
  }

  /** Ends the waits if it is quiet now. */
  check(): void {
    if (this.#ends.size > 0 && this.#isQuiet()) for (const end of this.#ends) end();
  }
}
