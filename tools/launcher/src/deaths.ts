/** Who lives for less than this died at once, in milliseconds. */
const atOnceMs = 10_000;

/** So often in a row an instance may die at once. */
const maxDeaths = 3;

/** Which instances are worth being started again: not those that die at once again and again. */
export class Deaths {
  readonly #readyAt = new Map<string, number>();
  readonly #deaths = new Map<string, number>();

  /** It takes calls from `now` on, in milliseconds of any clock. */
  ready(name: string, now: number): void {
    this.#readyAt.set(name, now);
  }

  /** It has died. Answers whether it is worth being started again. */
  died(name: string, now: number): boolean {
    const livedMs = now - (this.#readyAt.get(name) ?? now);
    const deaths = livedMs < atOnceMs ? (this.#deaths.get(name) ?? 0) + 1 : 0;
    this.#deaths.set(name, deaths);
    return deaths < maxDeaths;
  }
}
