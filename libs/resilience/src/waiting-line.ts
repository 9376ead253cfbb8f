import { type Linked, LinkedList } from "@shoal/kernel";

/** One who waits in a {@link WaitingLine}. */
export interface Waiter<T, R> {
  /** What it carries. */
  readonly item: T;
  /** Settles when it leaves the line. */
  readonly turn: Promise<R>;
}

interface Place<T, R> extends Waiter<T, R>, Linked<Place<T, R>> {
  readonly resolve: (value: R) => void;
  readonly reject: (error: unknown) => void;
  /** Takes its listeners from its signals. */
  disarm(): void;
}

/**
 * Those who wait, in the order in which they came. Each leaves in constant time, wherever it stands: served, refused, or
 * when a signal of its own aborts. No listener is left behind.
 */
export class WaitingLine<T, R> {
  readonly #left: (item: T) => void;
  readonly #places = new LinkedList<Place<T, R>>();

  /** `left` is told of each that leaves, however, once it is out of the line and before its promise settles. */
  constructor(left: (item: T) => void) {
    this.#left = left;
  }

  /** How many wait. */
  get size(): number {
    return this.#places.size;
  }

  /** The one who has waited longest. */
  get first(): Waiter<T, R> | undefined {
    return this.#places.first;
  }

  /**
   * Waits at the end until served or refused, or until a signal aborts: then its turn rejects with the signal's reason. The
   * two may be the same.
   */
  join(item: T, signal?: AbortSignal | null, callSignal?: AbortSignal): Waiter<T, R> {
    const { promise: turn, resolve, reject } = Promise.withResolvers<R>();
    const abort = () => this.refuse(place, (signal?.aborted === true ? signal : callSignal)?.reason);
    const disarm = () => {
      signal?.removeEventListener("abort", abort);
      callSignal?.removeEventListener("abort", abort);
    };
    const place: Place<T, R> = { item, turn, resolve, reject, disarm, previous: undefined, next: undefined };
    this.#places.push(place);
    if (signal?.aborted === true || callSignal?.aborted === true) abort();
    else {
      signal?.addEventListener("abort", abort);
      callSignal?.addEventListener("abort", abort);
    }
    return place;
  }

  /** The first one's turn comes, with `value`. Nothing where nobody waits. */
  serve(value: R): void {
    const place = this.#places.first;
    if (place === undefined) return;
    this.#leave(place);
    place.resolve(value);
  }

  /** Has one that waits leave with `error`. */
  refuse(waiter: Waiter<T, R>, error: unknown): void {
    const place = waiter as Place<T, R>;
    this.#leave(place);
    place.reject(error);
  }

  /** Has all leave for whom `why` answers an error. Asks for each, the first one first. */
  refuseEach(why: (item: T) => Error | undefined): void {
    for (let place = this.#places.first; place !== undefined; ) {
      const { next } = place;
      const error = why(place.item);
      if (error !== undefined) this.refuse(place, error);
      place = next;
    }
  }

  #leave(place: Place<T, R>): void {
    place.disarm();
    this.#places.delete(place);
    this.#left(place.item);
  }
}
