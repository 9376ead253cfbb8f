import { type HrTime, ROOT_CONTEXT, SpanKind, TraceFlags, trace, ValueType } from "@opentelemetry/api";
import {
  AggregationTemporality,
  DataPointType,
  type HistogramMetricData,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricProducer,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import { currentContext } from "@shoal/kernel";
import type { ClientOptions, ServerOptions } from "@shoal/rpc";

/** How often metrics are collected, in milliseconds. */
const collectMs = 5_000;

/** Upper bounds of a duration's buckets in seconds: those of OpenTelemetry's conventions for calls. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** The durations of the calls of one method with one outcome. */
class Durations {
  readonly counts = new Array<number>(bounds.length + 1).fill(0);
  count = 0;
  sum = 0;

  record(seconds: number): void {
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket += 1;
    (this.counts[bucket] as number) += 1;
    this.count += 1;
    this.sum += seconds;
  }
}

/**
 * Durations by method and outcome. They are counted here, because finding a histogram by its attributes at each call
 * took OpenTelemetry's SDK as long as all other layers of a server of ours together; the SDK collects and exports them.
 */
class CallDurations implements MetricProducer {
  readonly #name: string;
  readonly #since: HrTime = now();
  readonly #byMethod = new Map<string, Map<string, Durations>>();

  constructor(name: string) {
    this.#name = name;
  }

  record(path: string, outcome: string, seconds: number): void {
    const outcomes = this.#byMethod.get(path) ?? new Map<string, Durations>();
    const durations = outcomes.get(outcome) ?? new Durations();
    if (durations.count === 0) this.#byMethod.set(path, outcomes.set(outcome, durations));
    durations.record(seconds);
  }

  async collect() {
    const dataPoints = [...this.#byMethod].flatMap(([path, outcomes]) =>
      [...outcomes].map(([outcome, { counts, count, sum }]) => ({
        startTime: this.#since,
        endTime: now(),
        attributes: { "rpc.system.name": "grpc", "rpc.method": path, "rpc.response.status_code": outcome },
        value: { buckets: { boundaries: bounds, counts: [...counts] }, count, sum },
      })),
    );
    const metric: HistogramMetricData = {
      descriptor: { name: this.#name, description: "", unit: "s", valueType: ValueType.DOUBLE },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints,
    };
    const scopeMetrics = [{ scope: { name: "bench" }, metrics: [metric] }];
    return { resourceMetrics: { resource: {} as never, scopeMetrics }, errors: [] };
  }
}

function now(): HrTime {
  const ms = Date.now();
  return [Math.floor(ms / 1_000), (ms % 1_000) * 1_000_000];
}

/** What a call's end tells. */
interface End {
  readonly path: string;
  readonly code: string;
  readonly durationMs: number;
}

/** Records the duration of each call by method and outcome, collected by OpenTelemetry's SDK as if it were exported. */
function durations(side: "client" | "server"): (end: End) => void {
  const recorded = new CallDurations(`rpc.${side}.call.duration`);
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: collectMs,
    metricProducers: [recorded],
  });
  new MeterProvider({ readers: [reader] });
  return ({ path, code, durationMs }) => recorded.record(path, code, durationMs / 1_000);
}

/** Makes a span of each call that is sampled, of which there are none here. */
function tracing(side: "client" | "server") {
  const sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0) });
  const tracer = new TracerProvider({ sampler }).getTracer("bench");
  const kind = side === "server" ? SpanKind.SERVER : SpanKind.CLIENT;
  return (path: string, traceparent: string | undefined, next: () => Promise<void>): Promise<void> => {
    if (!traceparent?.endsWith("-01")) return next();
    const span = tracer.startSpan(path, { kind }, contextOf(traceparent));
    return next().finally(() => span.end());
  };
}

/** Where a call stands in its caller's trace. */
function contextOf(traceparent: string) {
  const [, traceId = "", spanId = ""] = traceparent.split("-");
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true });
}

/** Metrics and unsampled tracing for a server of ours. */
export function serverTelemetry(): Pick<ServerOptions, "onCallEnd" | "telemetry"> {
  const trace = tracing("server");
  return { onCallEnd: durations("server"), telemetry: ({ path, traceparent }, next) => trace(path, traceparent, next) };
}

/** Metrics and unsampled tracing for a client of ours. */
export function clientTelemetry(): Pick<ClientOptions, "onCallEnd" | "middleware"> {
  const trace = tracing("client");
  return {
    onCallEnd: durations("client"),
    middleware: [({ path }, next) => trace(path, currentContext()?.traceparent, next)],
  };
}
