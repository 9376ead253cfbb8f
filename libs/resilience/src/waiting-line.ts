/** One who waits in a {@link WaitingLine}. */
export interface Waiter<T, R> {
  /** What it carries. */
  readonly item: T;
  /** Settles when it leaves the line. */
  readonly turn: Promise<R>;
}

interface Place<T, R> extends Waiter<T, R> {
  readonly resolve: (value: R) => void;
  readonly reject: (error: unknown) => void;
  /** Takes its listener from its signal. */
  disarm(): void;
  previous: Place<T, R> | undefined;
  next: Place<T, R> | undefined;
}

/**
 * Those who wait, in the order in which they came. Each leaves in constant time, wherever it stands: served, refused, or
 * when its signal aborts. No listener is left behind.
 *
 * A linked list, since a `Set` that loses its first entry again and again walks over all that were deleted before.
 */
export class WaitingLine<T, R> {
  readonly #left: (item: T) => void;
  #first: Place<T, R> | undefined;
  #last: Place<T, R> | undefined;
  #size = 0;

  /** `left` is told of each that leaves, however, once it is out of the line and before its promise settles. */
  constructor(left: (item: T) => void) {
    this.#left = left;
  }

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** The one who has waited longest. */
  get first(): Waiter<T, R> | undefined {
    return this.#first;
  }

  /** Waits at the end until served or refused, or until `signal` aborts: then its turn rejects with the signal's reason. */
  join(item: T, signal?: AbortSignal): Waiter<T, R> {
    const { promise: turn, resolve, reject } = Promise.withResolvers<R>();
    const abort = () => this.refuse(place, signal?.reason);
    const disarm = () => signal?.removeEventListener("abort", abort);
    const place: Place<T, R> = { item, turn, resolve, reject, disarm, previous: this.#last, next: undefined };
    if (this.#last === undefined) this.#first = place;
    else this.#last.next = place;
    this.#last = place;
    this.#size += 1;
    if (signal?.aborted === true) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    return place;
  }

  /** The first one's turn comes, with `value`. Nothing where nobody waits. */
  serve(value: R): void {
    const place = this.#first;
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
    for (let place = this.#first; place !== undefined; ) {
      const { next } = place;
      const error = why(place.item);
      if (error !== undefined) this.refuse(place, error);
      place = next;
    }
  }

  #leave(place: Place<T, R>): void {
    const { previous, next } = place;
    place.disarm();
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    this.#size -= 1;
    this.#left(place.item);
  }
}
