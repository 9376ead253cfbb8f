/** A sum. */
export class Count {
  value = 0;

  /** Adds `by`, which for a counter is not below 0. */
  add(by = 1): void {
    this.value += by;
  }
}

/** How values are spread over the ranges between boundaries. Nothing is allocated for a value. */
export class Distribution {
  readonly #boundaries: readonly number[];
  /** Values up to each boundary and above the one before it; in the end those above the last. */
  readonly counts: number[];
  count = 0;
  sum = 0;

  /** `boundaries` ascend. */
  constructor(boundaries: readonly number[]) {
    this.#boundaries = boundaries;
    this.counts = new Array<number>(boundaries.length + 1).fill(0);
  }

  /** What is no number, or below 0, is left out. */
  record(value: number): void {
    if (!(value >= 0)) return;
    const boundaries = this.#boundaries;
    let low = 0;
    let high = boundaries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value > (boundaries[middle] as number)) low = middle + 1;
      else high = middle;
    }
    (this.counts[low] as number) += 1;
    this.count += 1;
    this.sum += value;
  }
}
