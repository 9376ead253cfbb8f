import { requireInteger, systemTimers, type Timers } from "@shoal/kernel";
import { patienceOf, type WaitOptions } from "./wait-options.ts";
import { WaiterQueue } from "./waiter-queue.ts";

/** How many may wait for a {@link KeyedMutex}. */
export interface KeyedMutexOptions {
  /** How many may wait for one key, from 0. Default: 1,000. */
  readonly maxWaiting?: number;
  /** How time passes. Default: the machine's. */
  readonly timers?: Timers;
}

/** See each option. */
export const defaultKeyedMutexOptions = Object.freeze({ maxWaiting: 1_000, timers: systemTimers });

/** The right to work on a key. It counts once, however often it is given back; who acquired it gives it back. */
export interface KeyHold extends Disposable {
  /** Lets the next one in. */
  release(): void;
}

/**
 * Lets one at a time work on what a key names; those who want the same key wait in the order in which they came, other
 * keys are not concerned. Nobody overtakes. A key that nobody holds takes no memory. Not reentrant: who holds a key and
 * waits for it waits for itself.
 *
 * States of a key: free (not known here) → held → free; while it is held, up to `maxWaiting` wait.
 */
export class KeyedMutex<K> {
  readonly #maxWaiting: number;
  readonly #timers: Timers;
  /** Those who wait, of each key that is held. */
  readonly #held = new Map<K, WaiterQueue<KeyHold>>();

  /** Throws a `RangeError` for options out of range. */
  constructor(options: KeyedMutexOptions = {}) {
    const { maxWaiting, timers } = { ...defaultKeyedMutexOptions, ...options };
    requireInteger("maxWaiting", maxWaiting, 0);
    this.#maxWaiting = maxWaiting;
    this.#timers = timers;
  }

  /** How many keys are held. */
  get size(): number {
    return this.#held.size;
  }

  /** How many wait for `key`. */
  waiting(key: K): number {
    return this.#held.get(key)?.size ?? 0;
  }

  /** The key, if nobody holds it; otherwise `undefined`. */
  tryAcquire(key: K): KeyHold | undefined {
    if (this.#held.has(key)) return undefined;
    const waiters = new WaiterQueue<KeyHold>(this.#maxWaiting, this.#timers);
    this.#held.set(key, waiters);
    return this.#hold(key, waiters);
  }

  /**
   * The key, as soon as it is this caller's turn. Rejects with a {@link QueueFullError} when too many wait for it, with a
   * {@link WaitTimeoutError} when its time is over, and with the signal's reason when that aborts first, or has aborted.
   */
  async acquire(key: K, options: WaitOptions = {}): Promise<KeyHold> {
    const patience = patienceOf(options);
    const waiters = this.#held.get(key);
    if (waiters !== undefined) return await waiters.wait(patience, undefined);
    return this.tryAcquire(key) as KeyHold;
  }

  /** Acquires the key, runs `work`, and lets the next one in whatever happens; answers what `work` answers. */
  async run<R>(key: K, work: () => R | Promise<R>, options?: WaitOptions): Promise<R> {
    using _hold = await this.acquire(key, options);
    return await work();
  }

  #hold(key: K, waiters: WaiterQueue<KeyHold>): KeyHold {
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      if (waiters.size === 0) this.#held.delete(key);
      else waiters.serve(this.#hold(key, waiters));
    };
    return { release, [Symbol.dispose]: release };
  }
}
