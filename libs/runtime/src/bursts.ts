/** Of one kind one in this time is told, in milliseconds. */
const intervalMs = 1_000;

/** Kinds that are kept apart; when there are more, all begin anew. */
const maxKinds = 1_000;

/** Finds what is worth telling where the same thing happens again and again: the first at once, then one a second. */
export class Bursts {
  readonly #now: () => number;
  readonly #kinds = new Map<string, { toldAt: number; untold: number }>();

  /** `now`: milliseconds by a clock that does not jump. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Something of that kind has happened: answers how many before it were not told, or `undefined` if it is not to be. */
  see(kind: string): number | undefined {
    const now = this.#now();
    const known = this.#kinds.get(kind);
    if (known === undefined) {
      if (this.#kinds.size >= maxKinds) this.#kinds.clear();
      this.#kinds.set(kind, { toldAt: now, untold: 0 });
      return 0;
    }
    if (now - known.toldAt < intervalMs) {
      known.untold += 1;
      return undefined;
    }
    const { untold } = known;
    known.toldAt = now;
    known.untold = 0;
    return untold;
  }
}
