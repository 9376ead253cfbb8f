import { type Clock, type Linked, LinkedList, type Timers } from "@shoal/kernel";
import type { RefusalReason } from "./pool-events.ts";

/** How long one caller wants to wait, and who it is. */
export interface AcquireOptions {
  /** When the caller stops waiting: milliseconds since the epoch. Default: never before the pool's own timeout. */
  readonly deadline?: number | undefined;
  /** Ends the wait when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Names the caller in leak reports, events and errors. */
  readonly borrower?: string | undefined;
}

/** What a {@link WaiterQueue} needs. */
export interface WaiterQueueOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly acquireTimeoutMs: number;
  /** Makes the error of a waiter that has left the queue in vain. */
  readonly refuse: (reason: RefusalReason, waiter: Waiting, cause?: unknown) => unknown;
}

/** One who waits. */
export interface Waiting {
  readonly borrower: string | undefined;
  /** In the time of the timers. */
  readonly since: number;
}

interface Waiter<T> extends Waiting, Linked<Waiter<T>> {
  resolve(value: T): void;
  reject(error: unknown): void;
  /** Takes away all that would end the wait. */
  disarm(): void;
}

/**
 * Those who wait for a lease, in the order in which they came. Each leaves in constant time when its signal aborts, its
 * deadline passes or the pool's timeout is over, and leaves neither timer nor listener.
 */
export class WaiterQueue<T> {
  readonly #options: WaiterQueueOptions;
  readonly #waiters = new LinkedList<Waiter<T>>();

  constructor(options: WaiterQueueOptions) {
    this.#options = options;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiters.size;
  }

  /** Waits at the end of the queue until served or failed. */
  wait({ deadline = Number.POSITIVE_INFINITY, signal, borrower }: AcquireOptions): Promise<T> {
    const { clock, timers, acquireTimeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const untilDeadlineMs = deadline - clock.now();
      const reason = untilDeadlineMs <= acquireTimeoutMs ? "deadline" : "timeout";
      const cancel = timers.after(Math.min(untilDeadlineMs, acquireTimeoutMs), () => this.#refuse(waiter, reason));
      const leave = () => this.#refuse(waiter, "aborted", signal?.reason);
      signal?.addEventListener("abort", leave, { once: true });
      const disarm = () => {
        cancel();
        signal?.removeEventListener("abort", leave);
      };
      const waiter: Waiter<T> = {
        borrower,
        since: timers.now(),
        resolve,
        reject,
        disarm,
        previous: undefined,
        next: undefined,
      };
      this.#waiters.push(waiter);
    });
  }

  /** Hands what `make` answers to the one who has waited longest. Only where somebody waits. */
  serve(make: (waiter: Waiting) => T): void {
    const waiter = this.#waiters.first;
    if (waiter === undefined) return;
    this.#leave(waiter);
    waiter.resolve(make(waiter));
  }

  /** Refuses all who wait. */
  refuseAll(reason: RefusalReason, cause?: unknown): void {
    for (let waiter = this.#waiters.first; waiter !== undefined; waiter = this.#waiters.first)
      this.#refuse(waiter, reason, cause);
  }

  #refuse(waiter: Waiter<T>, reason: RefusalReason, cause?: unknown): void {
    this.#leave(waiter);
    waiter.reject(this.#options.refuse(reason, waiter, cause));
  }

  #leave(waiter: Waiter<T>): void {
    this.#waiters.delete(waiter);
    waiter.disarm();
  }
}
