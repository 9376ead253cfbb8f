/** A call at a server. */
export interface Arrived {
  /** Whether its caller still waits for it: one that has given up is not begun. */
  readonly isWanted: boolean;
}

/**
 * An instance that works on a few calls at a time; the others wait in order. How long it works on one is asked for when
 * it begins.
 */
export class SimulatedServer<T extends Arrived> {
  readonly #workers: number;
  readonly #begin: (call: T) => void;
  #waiting: T[] = [];
  #taken = 0;
  #working = 0;

  /** `begin` is told of each call that is worked on from now on; {@link done} ends it. */
  constructor(workers: number, begin: (call: T) => void) {
    this.#workers = workers;
    this.#begin = begin;
  }

  /** A call arrives. */
  arrive(call: T): void {
    if (this.#working === this.#workers) this.#waiting.push(call);
    else this.#work(call);
  }

  /** A call that was begun is over: the one that has waited longest is next. */
  done(): void {
    this.#working -= 1;
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      if (!next.isWanted) continue;
      this.#work(next);
      return;
    }
  }

  #work(call: T): void {
    this.#working += 1;
    this.#begin(call);
  }

  #take(): T | undefined {
    const next = this.#waiting[this.#taken];
    if (next === undefined) {
      this.#waiting = [];
      this.#taken = 0;
    } else this.#taken += 1;
    return next;
  }
}
