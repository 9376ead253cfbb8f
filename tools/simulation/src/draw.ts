import { randomFrom } from "@shoal/kernel";

/** Draws everything that is left to chance; the same for the same seed and the same order of questions. */
export class Draw {
  readonly #random: () => number;

  /** `seed`: a whole number of 32 bits. */
  constructor(seed: number) {
    this.#random = randomFrom(seed);
    // The first numbers of neighbouring seeds are no neighbours, but let it be mixed well.
    for (let n = 0; n < 3; n += 1) this.#random();
  }

  /** `true` with that probability, 0 to 1. */
  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** A number from `low` to below `high`. */
  between(low: number, high: number): number {
    return low + (high - low) * this.#random();
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return Math.floor(this.between(low, high + 1));
  }

  /** One of `items`, each as likely as the others. Throws a `RangeError` where there is none. */
  oneOf<T>(items: readonly T[]): T {
    const item = items[this.whole(0, items.length - 1)];
    if (item === undefined) throw new RangeError("there is nothing to draw from");
    return item;
  }

  /** A time that is mostly short and sometimes long: exponentially distributed around `mean`. */
  delay(mean: number): number {
    return -Math.log(1 - this.#random()) * mean;
  }

  /** The items in another order. */
  shuffled<T>(items: readonly T[]): readonly T[] {
    return items
      .map((item) => ({ item, place: this.#random() }))
      .sort((one, other) => one.place - other.place)
      .map(({ item }) => item);
  }
}
