import { type HrTime, ValueType } from "@opentelemetry/api";
import { millisToHrTime } from "@opentelemetry/core";
import { emptyResource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  type CollectionResult,
  type DataPoint,
  DataPointType,
  type GaugeMetricData,
  type MetricData,
  type MetricProducer,
  type SumMetricData,
} from "@opentelemetry/sdk-metrics";
import { Count, Distribution } from "./figures.ts";
import { defaultMaxSeries, type Labels, Series } from "./series.ts";

/** What an instrument is called, by OpenTelemetry's rules for names and units. */
export interface InstrumentOptions {
  /** Such as `rpc.server.call.duration`. */
  readonly name: string;
  /** By UCUM: `s`, `By`, `1`, `{call}`. */
  readonly unit: string;
  readonly description: string;
  /** Sets of labels that are kept apart, from 2; those that come then are counted together. Default 1,000. */
  readonly maxSeries?: number;
}

export interface HistogramOptions extends InstrumentOptions {
  /** Ascending. */
  readonly boundaries: readonly number[];
}

/** A sum for each set of labels. */
export interface Counter {
  /** The sum of those labels. To be asked for once and kept where it is hot. */
  with(labels: Labels): Pick<Count, "add">;
}

/** How values are spread, for each set of labels. */
export interface Histogram {
  /** The values of those labels. To be asked for once and kept where it is hot. */
  with(labels: Labels): Pick<Distribution, "record">;
}

/** Tells a gauge's value at the moment for a set of labels. */
export type Observe = (value: number, labels?: Labels) => void;

/** For durations of calls, in seconds: OpenTelemetry's for RPCs, and finer below them. */
export const secondsBoundaries: readonly number[] = Object.freeze([
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
]);

type Collect = (times: { readonly startTime: HrTime; readonly endTime: HrTime }) => MetricData;

/**
 * Metrics that cost their callers next to nothing: OpenTelemetry's own SDK makes a text of the labels for each value that is
 * recorded, where here whoever records has the figure of its labels in hand. OpenTelemetry's readers collect them besides
 * those of its own meters. Figures are cumulative. An instrument that is asked for again is the same one; under a name that
 * another kind has, an `Error` is thrown. Nobody needs to close it.
 */
export class Metrics implements MetricProducer {
  readonly #startTime: HrTime = millisToHrTime(Date.now());
  readonly #instruments = new Map<string, { readonly kind: string; readonly instrument: unknown; collect: Collect }>();

  /** What only grows. */
  counter(options: InstrumentOptions): Counter {
    return this.#counter("counter", options, true);
  }

  /** What grows and shrinks by what is added, such as calls at work. */
  upDownCounter(options: InstrumentOptions): Counter {
    return this.#counter("up-down counter", options, false);
  }

  histogram(options: HistogramOptions): Histogram {
    const { boundaries } = options;
    return this.#instrument("histogram", options, () => {
      const series = new Series(() => new Distribution(boundaries), options.maxSeries ?? defaultMaxSeries);
      return {
        instrument: { with: (labels) => series.of(labels) },
        collect: (times) => ({
          ...descriptorOf(options),
          dataPointType: DataPointType.HISTOGRAM,
          dataPoints: [...series].map(({ labels, figure: { count, sum, counts } }) => ({
            ...times,
            attributes: labels,
            value: { count, sum, buckets: { boundaries: [...boundaries], counts: [...counts] } },
          })),
        }),
      };
    });
  }

  /**
   * What is read when somebody looks: `read` tells all values then. It must not throw. Asked for again under the same name,
   * all that were given are read; of values with the same labels, the sum is told. Answers what ends the reading.
   */
  gauge(options: InstrumentOptions, read: (observe: Observe) => void): () => void {
    return this.#observed("gauge", options, { dataPointType: DataPointType.GAUGE }, read);
  }

  /** As {@link gauge}, for what only grows and is counted elsewhere. */
  observedCounter(options: InstrumentOptions, read: (observe: Observe) => void): () => void {
    return this.#observed("observed counter", options, { dataPointType: DataPointType.SUM, isMonotonic: true }, read);
  }

  /** What OpenTelemetry's readers ask for. */
  async collect(): Promise<CollectionResult> {
    const times = { startTime: this.#startTime, endTime: millisToHrTime(Date.now()) };
    const metrics = [...this.#instruments.values()]
      .map(({ collect }) => collect(times))
      .filter(({ dataPoints }) => dataPoints.length > 0);
    return {
      resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope: { name: "shoal" }, metrics }] },
      errors: [],
    };
  }

  #counter(kind: string, options: InstrumentOptions, isMonotonic: boolean): Counter {
    return this.#instrument(kind, options, () => {
      const series = new Series(() => new Count(), options.maxSeries ?? defaultMaxSeries);
      return {
        instrument: { with: (labels) => series.of(labels) },
        collect: (times) => ({
          ...descriptorOf(options),
          dataPointType: DataPointType.SUM,
          isMonotonic,
          dataPoints: pointsOf(series, times),
        }),
      };
    });
  }

  #observed(
    kind: string,
    options: InstrumentOptions,
    type: Pick<GaugeMetricData, "dataPointType"> | Pick<SumMetricData, "dataPointType" | "isMonotonic">,
    read: (observe: Observe) => void,
  ): () => void {
    const reads = this.#instrument(kind, options, () => {
      const all = new Set<(observe: Observe) => void>();
      return {
        instrument: all,
        collect: (times) => {
          const series = new Series(() => new Count(), options.maxSeries ?? defaultMaxSeries);
          for (const each of all) each((value, labels = {}) => series.of(labels).add(value));
          return { ...descriptorOf(options), ...type, dataPoints: pointsOf(series, times) };
        },
      };
    });
    reads.add(read);
    return () => reads.delete(read);
  }

  #instrument<I>(kind: string, { name }: InstrumentOptions, make: () => { instrument: I; collect: Collect }): I {
    const known = this.#instruments.get(name);
    if (known !== undefined) {
      if (known.kind === kind) return known.instrument as I;
      throw new Error(`${name} is a ${known.kind} already, and cannot be a ${kind}`);
    }
    const made = make();
    this.#instruments.set(name, { kind, ...made });
    return made.instrument;
  }
}

function descriptorOf({ name, unit, description }: InstrumentOptions) {
  return {
    descriptor: { name, unit, description, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
}

function pointsOf(series: Series<Count>, times: { startTime: HrTime; endTime: HrTime }): DataPoint<number>[] {
  return [...series].map(({ labels, figure: { value } }) => ({ ...times, attributes: labels, value }));
}
