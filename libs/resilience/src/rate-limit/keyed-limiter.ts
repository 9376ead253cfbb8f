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

/** How many keys are looked at for one that is idle when a new one comes. */
const lookedAt = 8;

/**
 * A limiter for each key, such as a user, an address or a method, in bounded memory.
 *
 * - At most `maxKeys` keys are kept. A key is forgotten only when there is no room for another one, and only when its
 *   limiter is idle, as a new one would be: so no key that is kept gets more through than its limiter allows, whatever
 *   others do, and however many keys they make up.
 * - Keys that find no room, since no other is idle, share the limiter `overflow`: together they get what that lets
 *   through. Whoever uses `maxKeys` keys again and again, before any is idle, so crowds out new keys, but neither those
 *   that are kept nor the memory. Against that, let a limiter of all calls stand before this one.
 * - Constant time: a new key has 8 others looked at in turn, so an idle one may be overlooked for `maxKeys / 8` new keys.
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
    return this.limiterOf(key).tryAcquire(cost);
  }

  /** The limiter of `key`, or the shared one: for what only its kind can do. It is good for now, not to be kept. */
  limiterOf(key: K): L {
    return this.#limiters.get(key) ?? this.#admit(key);
  }

  /** Visits every limiter that is kept, and the shared one, to change its options. Those made later are up to `create`. */
  forEach(visit: (limiter: L) => void): void {
    for (const limiter of this.#limiters.values()) visit(limiter);
    visit(this.#overflow);
  }

  #admit(key: K): L {
    if (this.#limiters.size >= this.#maxKeys && !this.#forgetOne()) return this.#overflow;
    const limiter = this.#create();
    this.#limiters.set(key, limiter);
    return limiter;
  }

  /** Forgets the next key that is idle, if that is near. */
  #forgetOne(): boolean {
    for (let looked = 0; looked < lookedAt; looked += 1) {
      const { done, value } = this.#hand.next();
      if (done === true) {
        this.#hand = this.#limiters.entries();
        continue;
      }
      const [key, limiter] = value;
      if (!limiter.isIdle()) continue;
      this.#limiters.delete(key);
      return true;
    }
    return false;
  }
}
