import { requireInteger, systemTimers, type Timers } from "@shoal/kernel";
import { patienceOf, type WaitOptions } from "./wait-options.ts";
import { WaiterQueue } from "./waiter-queue.ts";

/** How much a {@link Semaphore} lets in. */
export interface SemaphoreOptions {
  /** How many may be inside at once, from 1. */
  readonly permits: number;
  /** How many may wait, from 0. Default: 1,000. */
  readonly maxWaiting?: number;
  /** How time passes. Default: the machine's. */
  readonly timers?: Timers;
}

/** See each option. */
export const defaultSemaphoreOptions = Object.freeze({ maxWaiting: 1_000, timers: systemTimers });

/** The right to be inside. It counts once, however often it is given back; who acquired it gives it back. */
export interface Permit extends Disposable {
  /** Gives the permit back. */
  release(): void;
}

/**
 * Lets at most `permits` in at once; the others wait in the order in which they came, no more than `maxWaiting` of them.
 * A permit that comes back goes straight to the one who has waited longest: nobody who comes meanwhile overtakes. Each
 * step takes constant time, leaving the queue as well.
 *
 * States: free (permits left, nobody waits) ⇄ taken (no permit left, some may wait) ⇄ full (`maxWaiting` wait).
 */
export class Semaphore {
  readonly #waiters: WaiterQueue<Permit>;
  #free: number;

  /** Throws a `RangeError` for options out of range. */
  constructor(options: SemaphoreOptions) {
    const { permits, maxWaiting, timers } = { ...defaultSemaphoreOptions, ...options };
    requireInteger("permits", permits, 1);
    requireInteger("maxWaiting", maxWaiting, 0);
    this.#free = permits;
    this.#waiters = new WaiterQueue(maxWaiting, timers);
  }

  /** How many permits are left. */
  get free(): number {
    return this.#free;
  }

  /** How many wait now. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** A permit, if one is left; otherwise `undefined`. */
  tryAcquire(): Permit | undefined {
    if (this.#free === 0) return undefined;
    this.#free -= 1;
    return this.#permit();
  }

  /**
   * A permit, as soon as it is this caller's turn. Rejects with a {@link QueueFullError} when too many wait already, with
   * a {@link WaitTimeoutError} when its time is over, and with the signal's reason when that aborts first, or has aborted.
   */
  async acquire(options: WaitOptions = {}): Promise<Permit> {
    const patience = patienceOf(options);
    return this.tryAcquire() ?? (await this.#waiters.wait(patience, undefined));
  }

  /** Acquires, runs `work`, and gives the permit back whatever happens; answers what `work` answers. */
  async run<R>(work: () => R | Promise<R>, options?: WaitOptions): Promise<R> {
    using _permit = await this.acquire(options);
    return await work();
  }

  #permit(): Permit {
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      if (this.#waiters.size === 0) this.#free += 1;
      else this.#waiters.serve(this.#permit());
    };
    return { release, [Symbol.dispose]: release };
  }
}
