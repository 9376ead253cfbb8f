import { setTimeout as sleep } from "node:timers/promises";
import {
  context as contextApi,
  DiagLogLevel,
  diag,
  logs as logsApi,
  metrics as metricsApi,
  propagation as propagationApi,
  type Tracer,
  trace as traceApi,
} from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, type MetricReader } from "@opentelemetry/sdk-metrics";
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from "@opentelemetry/semantic-conventions";
import { Metrics } from "./metrics/metrics.ts";
import { otlpMetricReader } from "./metrics/otlp-metric-reader.ts";
import { PrometheusReader } from "./metrics/prometheus-reader.ts";
import { isExported } from "./otel-environment.ts";
import { createProblemLog, type ProblemLog } from "./problem-log.ts";

/** How long it may take to send what is left at the end, in milliseconds. */
const shutdownTimeoutMs = 2_000;

/** What the parts of a service are instrumented with. */
export interface Instruments {
  readonly metrics: Metrics;
  readonly tracer: Tracer;
}

/** How {@link startTelemetry} works. */
export interface TelemetryOptions {
  /** The service's name, unless OTEL_SERVICE_NAME has another. */
  readonly service: string;
  /** Its version; empty: none. */
  readonly version?: string;
  /** Where problems of the telemetry itself are told, such as a collector that is away. */
  readonly log: ProblemLog;
}

/** What is known of a process, and sent where OTEL_* variables say. */
export interface Telemetry extends Instruments {
  /** All metrics as text, in the format that Prometheus scrapes (`prometheusContentType`). */
  expose(): Promise<string>;
  /** Sends what has not been sent, for two seconds at most, and ends. Never rejects; called again it waits for the same end. */
  shutdown(): Promise<void>;
}

/**
 * Begins to gather metrics, for {@link Telemetry.expose}, and as OpenTelemetry's environment variables say sends them, traces
 * and the lines of every logger of this process (`createLogger`), also of those made before. Where those name no exporter and no endpoint nothing is sent, no trace is begun, and OpenTelemetry's SDK for Node
 * is not even loaded: it takes a third of a second. OpenTelemetry's global API is set up too, for code that uses it.
 * The caller shuts it down.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  diag.setLogger(createProblemLog(options.log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const metrics = new Metrics();
  const reader = new PrometheusReader([metrics]);
  const end = isExported() ? await startSdk(options, metrics, reader) : startMetrics(options, reader);
  const shutdown = async () => {
    // A collector that is away, or hangs, keeps no service from stopping.
    await Promise.race([end().catch(() => {}), sleep(shutdownTimeoutMs, undefined, { ref: false })]);
    for (const api of [traceApi, metricsApi, logsApi, propagationApi, contextApi, diag]) api.disable();
  };
  let ending: Promise<void> | undefined;
  return {
    metrics,
    tracer: traceApi.getTracer("shoal"),
    expose: () => reader.expose(),
    shutdown: () => {
      ending ??= shutdown();
      return ending;
    },
  };
}

function startMetrics({ service, version }: TelemetryOptions, reader: MetricReader): () => Promise<void> {
  const attributes = {
    [ATTR_SERVICE_NAME]: process.env["OTEL_SERVICE_NAME"] || service,
    ...(version && { [ATTR_SERVICE_VERSION]: version }),
  };
  const provider = new MeterProvider({ resource: resourceFromAttributes(attributes), readers: [reader] });
  metricsApi.setGlobalMeterProvider(provider);
  return () => provider.shutdown();
}

async function startSdk(
  { service, version }: TelemetryOptions,
  metrics: Metrics,
  reader: MetricReader,
): Promise<() => Promise<void>> {
  const { NodeSDK } = await import("@opentelemetry/sdk-node");
  const sdk = new NodeSDK({
    serviceName: process.env["OTEL_SERVICE_NAME"] || service,
    ...(version && { resource: resourceFromAttributes({ [ATTR_SERVICE_VERSION]: version }) }),
    metricReaders: [reader, ...(isExported("metrics") ? [await otlpMetricReader([metrics])] : [])],
    ...(!isExported("traces") && { spanProcessors: [] }),
    ...(!isExported("logs") && { logRecordProcessors: [] }),
  });
  sdk.start();
  return () => sdk.shutdown();
}
