export { type BatchTracing, batchTracing } from "./batch-tracing.ts";
export { type CountedEvent, createEventCounter } from "./event-counter.ts";
export { createLogger, type Logger, type LogLevel } from "./logger.ts";
export {
  type Counter,
  type Histogram,
  type HistogramOptions,
  type InstrumentOptions,
  Metrics,
  type Observe,
  secondsBoundaries,
} from "./metrics/metrics.ts";
export { prometheusContentType } from "./metrics/prometheus-reader.ts";
export type { Labels } from "./metrics/series.ts";
export { isExported, type Signal } from "./otel-environment.ts";
export { watchProcess } from "./process-metrics.ts";
export { activeHandles, cpuProfile, heapProfile, ProfilerBusyError } from "./profiles.ts";
export { type Instruments, startTelemetry, type Telemetry, type TelemetryOptions } from "./telemetry.ts";
export { formatTraceparent, parseTraceparent } from "./traceparent.ts";
