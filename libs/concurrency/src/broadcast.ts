import { requireInteger } from "@shoal/kernel";
import {
  defaultSubscribeOptions,
  type SubscribeOptions,
  Subscriber,
  type Subscription,
  slowSubscriberPolicies,
} from "./subscription.ts";

/**
 * Hands each published value to all who are subscribed at that moment. Publishing never waits: each subscriber has a
 * queue of at most `queueLimit` values, and says what happens when that overflows.
 *
 * States: open → closed. Those of a subscriber are at {@link Subscriber}.
 */
export class Broadcast<T> {
  readonly #subscribers = new Set<Subscriber<T>>();
  readonly #queueLimit: number;
  #closed = false;

  /** `queueLimit`: 1 or more values. */
  constructor(queueLimit: number) {
    requireInteger("queueLimit", queueLimit, 1);
    this.#queueLimit = queueLimit;
  }

  /** How many are subscribed now. */
  get size(): number {
    return this.#subscribers.size;
  }

  /** Hands `value` to every subscriber that accepts it. After `close` to nobody. */
  publish(value: T): void {
    for (const subscriber of this.#subscribers) subscriber.offer(value);
  }

  /**
   * Subscribes at once (not at the first read, so nothing published from now on is missed) and answers the values
   * that `accepts` takes (it must not throw), until `signal` aborts, which ends the iteration quietly, or the reader leaves the loop, or the
   * broadcast is closed. Throws a {@link LaggedError} once when the queue has overflowed, unless `whenSlow` says otherwise.
   */
  subscribe(accepts: (value: T) => boolean, signal: AbortSignal, options: SubscribeOptions = {}): Subscription<T> {
    const { whenSlow } = { ...defaultSubscribeOptions, ...options };
    if (!slowSubscriberPolicies.includes(whenSlow))
      throw new RangeError(`whenSlow must be one of ${slowSubscriberPolicies.join(", ")}, not ${whenSlow}`);
    const subscriber = new Subscriber<T>(accepts, signal, this.#queueLimit, whenSlow, () => {
      this.#subscribers.delete(subscriber);
    });
    if (signal.aborted || this.#closed) subscriber.end();
    else this.#subscribers.add(subscriber);
    return subscriber;
  }

  /** Publishes nothing any more: subscribers read what is queued for them, then their iterations end. */
  close(): void {
    this.#closed = true;
    for (const subscriber of this.#subscribers) subscriber.finish();
  }
}
