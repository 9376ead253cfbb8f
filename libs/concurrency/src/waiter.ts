import { maxDelayMs, type Timers } from "@shoal/kernel";
import { WaitTimeoutError } from "./refusals.ts";
import type { Patience } from "./wait-options.ts";

/**
 * One who waits for an answer. It is answered once, or leaves by itself: when a signal aborts or its time is over. Either
 * way neither timer nor listener is left.
 *
 * States: waiting → answered | refused | left.
 */
export class Waiter<T> {
  readonly #answer = Promise.withResolvers<T>();
  readonly #patience: Patience;
  readonly #left: (reason: unknown) => void;
  readonly #cancelTimer: (() => void) | undefined;
  #waits = true;

  /** `left` is called, with the caller's error, when the waiter leaves by itself. */
  constructor(patience: Patience, timers: Timers, left: (reason: unknown) => void) {
    this.#patience = patience;
    this.#left = left;
    const { signal, callSignal, timeoutMs } = patience;
    signal?.addEventListener("abort", this.#aborted);
    callSignal?.addEventListener("abort", this.#aborted);
    if (timeoutMs <= maxDelayMs)
      this.#cancelTimer = timers.after(timeoutMs, () => this.#leave(new WaitTimeoutError(timeoutMs)));
  }

  /** What the caller gets. */
  get answer(): Promise<T> {
    return this.#answer.promise;
  }

  /** Whether it has neither been answered nor left. */
  get waits(): boolean {
    return this.#waits;
  }

  /** Answers. One that does not wait any more is left alone. */
  resolve(value: T): void {
    if (this.#end()) this.#answer.resolve(value);
  }

  /** Refuses. One that does not wait any more is left alone. */
  reject(error: unknown): void {
    if (this.#end()) this.#answer.reject(error);
  }

  readonly #aborted = (event: Event): void => this.#leave((event.target as AbortSignal).reason);

  #leave(reason: unknown): void {
    if (!this.#end()) return;
    this.#answer.reject(reason);
    this.#left(reason);
  }

  #end(): boolean {
    if (!this.#waits) return false;
    this.#waits = false;
    this.#cancelTimer?.();
    this.#patience.signal?.removeEventListener("abort", this.#aborted);
    this.#patience.callSignal?.removeEventListener("abort", this.#aborted);
    return true;
  }
}
