import { requireInteger } from "@shoal/kernel";

/** The queue before a {@link Semaphore} is full; the work was not started. */
export class QueueFullError extends Error {
  override readonly name = "QueueFullError";
}

/** How much a {@link Semaphore} lets in. */
export interface SemaphoreOptions {
  /** How many may be inside at once, from 1. */
  readonly permits: number;
  /** How many may wait, from 0. */
  readonly maxWaiting: number;
}

/** Lets at most `permits` in at once; the others wait in order, no more than `maxWaiting` of them. */
export class Semaphore {
  readonly #maxWaiting: number;
  readonly #waiting = new Set<() => void>();
  #free: number;

  /** Throws a `RangeError` for options out of range. */
  constructor(options: SemaphoreOptions) {
    const { permits, maxWaiting } = options;
    requireInteger("permits", permits, 1);
    requireInteger("maxWaiting", maxWaiting, 0);
    this.#free = permits;
    this.#maxWaiting = maxWaiting;
  }

  /** How many wait now. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Takes a permit, waiting for one if none is free; give it back with {@link release}. Rejects with a
   * {@link QueueFullError} when too many wait already, and with the signal's reason when it aborts first.
   */
  async acquire(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    if (this.#waiting.size >= this.#maxWaiting) throw new QueueFullError(`${this.#waiting.size} are waiting already`);
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#waiting.delete(enter);
        reject(signal?.reason);
      };
      this.#waiting.add(enter);
      signal?.addEventListener("abort", leave, { once: true });
    });
  }

  /** Gives back a permit that {@link acquire} took: the one who has waited longest gets it. */
  release(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free += 1;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}
