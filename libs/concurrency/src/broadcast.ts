import { requireInteger } from "@shoal/kernel";

/** A subscriber took longer than its queue could bridge; it has missed values and should begin anew. */
export class LaggedError extends Error {
  override readonly name = "LaggedError";
}

interface Subscriber<T> {
  readonly accepts: (value: T) => boolean;
  readonly queue: T[];
  lagged: boolean;
  wake: () => void;
}

/**
 * Hands each published value to all who are subscribed at that moment. Publishing never waits: each subscriber has a
 * queue of at most `queueLimit` values, and one that overflows ends with a {@link LaggedError}.
 */
export class Broadcast<T> {
  readonly #subscribers = new Set<Subscriber<T>>();
  readonly #queueLimit: number;

  /** `queueLimit`: 1 or more values. */
  constructor(queueLimit: number) {
    requireInteger("queueLimit", queueLimit, 1);
    this.#queueLimit = queueLimit;
  }

  /** How many are subscribed now. */
  get size(): number {
    return this.#subscribers.size;
  }

  /** Hands `value` to every subscriber that accepts it. */
  publish(value: T): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.lagged || !subscriber.accepts(value)) continue;
      if (subscriber.queue.length < this.#queueLimit) subscriber.queue.push(value);
      else {
        subscriber.lagged = true;
        subscriber.queue.length = 0;
      }
      subscriber.wake();
    }
  }

  /**
   * Subscribes at once (not at the first read, so nothing published from now on is missed) and answers the values
   * that `accepts` takes, until `signal` aborts, which ends the iteration quietly, or the reader leaves the loop.
   * Throws a {@link LaggedError} once when the queue has overflowed.
   */
  subscribe(accepts: (value: T) => boolean, signal: AbortSignal): AsyncIterableIterator<T, void, undefined> {
    const subscriber: Subscriber<T> = { accepts, queue: [], lagged: false, wake: () => {} };
    const end = () => {
      this.#subscribers.delete(subscriber);
      signal.removeEventListener("abort", end);
      subscriber.wake();
    };
    if (!signal.aborted) {
      this.#subscribers.add(subscriber);
      signal.addEventListener("abort", end);
    }
    const next = async (): Promise<IteratorResult<T, void>> => {
      while (this.#subscribers.has(subscriber)) {
        if (subscriber.lagged) {
          end();
          throw new LaggedError("the subscriber is too slow for what is published");
        }
        if (subscriber.queue.length > 0) return { done: false, value: subscriber.queue.shift() as T };
        await new Promise<void>((resolve) => {
          subscriber.wake = resolve;
        });
      }
      return { done: true, value: undefined };
    };
    return {
      next,
      return: async () => {
        end();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}
