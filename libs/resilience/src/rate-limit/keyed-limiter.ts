import { requireInteger } from "@shoal/kernel";
import type { RateLimiter } from "./rate-limiter.ts";

/** What a {@link KeyedLimiter} is made of. */
export interface KeyedLimiterOptions<L extends RateLimiter> {
  /** Makes the limiter of one key, as it is for all keys. */
  readonly create: () => L;
  /** How many keys have a limiter of their own at once, 1 to 10,000,000. Default: 100,000. */
  readonly maxKeys?: number;
  /** What the keys share that find no room. Default: one more that `create` makes. */
  readonly overflow?: L;
}

/** Room for 100,000 keys. */
export const defaultKeyedLimiterOptions = Object.freeze({ maxKeys: 100_000 } satisfies Partial<
  KeyedLimiterOptions<never>
>);

/** How many keys are looked at for each that is new. More than one, so that keys that are done are fewer than new ones. */
const lookedAt = 4;

/**
 * A limiter for each key, such as a user, an address or a method, in bounded memory.
 *
 * - At most `maxKeys` keys are kept. A key is forgotten only when its limiter is idle, as a new one would be: so no key
 *   ever gets more through than its limiter allows, whatever others do, and however many keys they make up.
 * - While `maxKeys` keys are not idle, those that are new share the limiter `overflow`: together they get what that lets
 *   through. Whoever holds all places (by using `maxKeys` keys again and again, before any is idle) can so crowd out new
 *   keys, but neither those that have a place nor the memory. Let a limiter for all calls stand before this one.
 * - Constant time: for each new key a few others are looked at, in turn, whether they can be forgotten.
 */
export class KeyedLimiter<K, L extends RateLimiter = RateLimiter> {
  readonly #create: () => L;
  readonly #maxKeys: number;
  readonly #overflow: L;
  readonly #limiters = new Map<K, L>();
  #hand: MapIterator<[K, L]> = this.#limiters.entries();

  /** Throws a `RangeError` for options out of range. */
  constructor(options: KeyedLimiterOptions<L>) {
    const { create, maxKeys, overflow } = { ...defaultKeyedLimiterOptions, ...options };
    requireInteger("maxKeys", maxKeys, 1, 10_000_000);
    this.#create = create;
    this.#maxKeys = maxKeys;
    this.#overflow = overflow ?? create();
  }

  /** How many keys are kept. */
  get size(): number {
    return this.#limiters.size;
  }

  /** Asks the limiter of `key`; see {@link RateLimiter.tryAcquire}. */
  tryAcquire(key: K, cost?: number): number {
    return (this.#limiters.get(key) ?? this.#admit(key)).tryAcquire(cost);
  }

  /** Visits every limiter that is kept, and the shared one, to change its options. Those made later are up to `create`. */
  forEach(visit: (limiter: L) => void): void {
    for (const limiter of this.#limiters.values()) visit(limiter);
    visit(this.#overflow);
  }

  #admit(key: K): L {
    this.#forgetSome();
    if (this.#limiters.size >= this.#maxKeys) return this.#overflow;
    const limiter = this.#create();
    this.#limiters.set(key, limiter);
    return limiter;
  }

  #forgetSome(): void {
    for (let looked = 0; looked < lookedAt; looked += 1) {
      const { done, value } = this.#hand.next();
      if (done === true) {
        this.#hand = this.#limiters.entries();
        return;
      }
      const [key, limiter] = value;
      if (limiter.isIdle()) this.#limiters.delete(key);
    }
  }
}
