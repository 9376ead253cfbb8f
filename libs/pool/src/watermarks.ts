/** Between which two marks {@link Watermarks} remember where they came from. */
export interface WatermarkOptions {
  /** The pressure from which on it is high, above `low`. */
  readonly high: number;
  /** The pressure down to which it stays high, from 0. */
  readonly low: number;
}

/**
 * Whether there is too much to do, with hysteresis: high once the pressure has reached `high`, until it has fallen to `low`,
 * so that work is not let in and refused by turns. Looks only when asked, and remembers what it saw: what came and went
 * unasked did not happen.
 *
 * States: low ⇄ high.
 */
export class Watermarks {
  readonly #pressure: () => number;
  readonly #options: WatermarkOptions;
  #high = false;

  /** `pressure` is called at each look; see `Pool.pressure`. Throws a `RangeError` unless 0 ≤ low < high. */
  constructor(pressure: () => number, options: WatermarkOptions) {
    const { high, low } = options;
    if (!(low >= 0 && low < high))
      throw new RangeError(`low must be a number from 0 to below high, ${high}, not ${low}`);
    this.#pressure = pressure;
    this.#options = { high, low };
  }

  /** Looks: whether the pressure is high. */
  get isHigh(): boolean {
    const pressure = this.#pressure();
    this.#high = this.#high ? pressure > this.#options.low : pressure >= this.#options.high;
    return this.#high;
  }
}
