/** How often something was, by what it was. */
export class Counts {
  readonly #counts = new Map<string, number>();

  /** Once more. */
  add(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  /** All together. */
  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Each with its count, by name. */
  get all(): readonly (readonly [string, number])[] {
    return [...this.#counts].toSorted(([one], [other]) => (one < other ? -1 : 1));
  }
}
