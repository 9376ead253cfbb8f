import {
  type MetricProducer,
  type MetricReader,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from "@opentelemetry/sdk-metrics";

const defaultIntervalMs = 60_000;
const defaultTimeoutMs = 30_000;

/**
 * Sends metrics by OTLP as often as OTEL_METRIC_EXPORT_INTERVAL says, in milliseconds, by the protocol, and to the endpoint,
 * that OTEL_EXPORTER_OTLP_* name. OpenTelemetry's SDK makes the like, but none that reads `metricProducers` too.
 */
export async function otlpMetricReader(metricProducers: MetricProducer[]): Promise<MetricReader> {
  const exportIntervalMillis = Number(process.env["OTEL_METRIC_EXPORT_INTERVAL"]) || defaultIntervalMs;
  const wantedTimeoutMs = Number(process.env["OTEL_METRIC_EXPORT_TIMEOUT"]) || defaultTimeoutMs;
  return new PeriodicExportingMetricReader({
    exporter: await exporterOf(
      process.env["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"] || process.env["OTEL_EXPORTER_OTLP_PROTOCOL"],
    ),
    exportIntervalMillis,
    exportTimeoutMillis: Math.min(wantedTimeoutMs, exportIntervalMillis),
    metricProducers,
  });
}

async function exporterOf(protocol = "http/protobuf"): Promise<PushMetricExporter> {
  switch (protocol) {
    case "grpc":
      return new (await import("@opentelemetry/exporter-metrics-otlp-grpc")).OTLPMetricExporter();
    case "http/json":
      return new (await import("@opentelemetry/exporter-metrics-otlp-http")).OTLPMetricExporter();
    case "http/protobuf":
      return new (await import("@opentelemetry/exporter-metrics-otlp-proto")).OTLPMetricExporter();
    default:
      throw new Error(`OTEL_EXPORTER_OTLP_PROTOCOL must be grpc, http/json or http/protobuf, not "${protocol}"`);
  }
}
