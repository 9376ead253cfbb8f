/** What a figure is told apart by. Each label should have few values: see {@link Series}. */
export type Labels = Readonly<Record<string, string | number | boolean>>;

/** Where everything is counted that has more sets of labels than an instrument keeps, as OpenTelemetry's SDK has it. */
const overflow: Labels = Object.freeze({ "otel.metric.overflow": true });

/** Sets of labels that one instrument keeps, unless it says otherwise. */
export const defaultMaxSeries = 1_000;

/**
 * The figures of one instrument, one for each set of labels that was asked for, and one for all sets that come when there
 * are `maxSeries`: callers cannot make memory grow by what they send.
 */
export class Series<F> {
  readonly #make: () => F;
  readonly #maxSeries: number;
  readonly #byLabels = new Map<string, { readonly labels: Labels; readonly figure: F }>();

  constructor(make: () => F, maxSeries: number) {
    this.#make = make;
    this.#maxSeries = maxSeries;
  }

  /** The figure of those labels, in any order. To be asked for once and kept where it is hot. */
  of(labels: Labels): F {
    const known = this.#byLabels.get(keyOf(labels));
    if (known !== undefined) return known.figure;
    return this.#byLabels.size < this.#maxSeries - 1 ? this.#add(labels) : this.#overflow();
  }

  *[Symbol.iterator](): Generator<{ readonly labels: Labels; readonly figure: F }, void, undefined> {
    yield* this.#byLabels.values();
  }

  #overflow(): F {
    return this.#byLabels.get(keyOf(overflow))?.figure ?? this.#add(overflow);
  }

  #add(labels: Labels): F {
    const figure = this.#make();
    this.#byLabels.set(keyOf(labels), { labels: { ...labels }, figure });
    return figure;
  }
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1)));
}
