import { type Linked, LinkedList, type Timers } from "@shoal/kernel";
import { QueueFullError } from "./refusals.ts";
import type { Patience } from "./wait-options.ts";
import { Waiter } from "./waiter.ts";

interface Place<T, B> extends Linked<Place<T, B>> {
  readonly waiter: Waiter<T>;
  readonly brought: B;
}

/**
 * Those who wait, in the order in which they came, no more than `max` of them; each may have brought something. Entering,
 * being served and leaving, by a signal or a timeout, take constant time.
 */
export class WaiterQueue<T, B = undefined> {
  readonly #max: number;
  readonly #timers: Timers;
  readonly #places = new LinkedList<Place<T, B>>();

  constructor(max: number, timers: Timers) {
    this.#max = max;
    this.#timers = timers;
  }

  /** How many wait. */
  get size(): number {
    return this.#places.size;
  }

  /** Waits at the end of the queue until served or refused. Throws a {@link QueueFullError} where `max` wait already. */
  wait(patience: Patience, brought: B): Promise<T> {
    const { size } = this.#places;
    if (size >= this.#max) throw new QueueFullError(`${size} are waiting already`);
    const place: Place<T, B> = {
      waiter: new Waiter<T>(patience, this.#timers, () => this.#places.delete(place)),
      brought,
      previous: undefined,
      next: undefined,
    };
    this.#places.push(place);
    return place.waiter.answer;
  }

  /** Answers the one who has waited longest, if any; answers what it has brought, in a box. */
  serve(value: T): { readonly brought: B } | undefined {
    const place = this.#places.shift();
    place?.waiter.resolve(value);
    return place;
  }

  /** Refuses all who wait. */
  refuseAll(error: unknown): void {
    for (let place = this.#places.shift(); place !== undefined; place = this.#places.shift())
      place.waiter.reject(error);
  }
}
