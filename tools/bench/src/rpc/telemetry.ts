import { ROOT_CONTEXT, SpanKind, TraceFlags, trace } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import type { ClientMiddleware, ServerMiddleware } from "@shoal/rpc";

/** How often metrics are collected, in milliseconds. */
const collectMs = 5_000;

interface Call {
  readonly method: { readonly name: string; readonly parent: { readonly typeName: string } };
  readonly traceparent?: string | undefined;
}

/**
 * A layer that traces each call, sampling none, and records its duration by method and outcome: with OpenTelemetry's own
 * SDK, whose metrics are collected as if they were exported.
 */
function telemetry(side: "client" | "server") {
  const reader = new PeriodicExportingMetricReader({
    exporter: new InMemoryMetricExporter(AggregationTemporality.DELTA),
    exportIntervalMillis: collectMs,
  });
  const meter = new MeterProvider({ readers: [reader] }).getMeter("bench");
  const durations = meter.createHistogram(`rpc.${side}.call.duration`, { unit: "s" });
  const sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0) });
  const tracer = new TracerProvider({ sampler }).getTracer("bench");
  const kind = side === "server" ? SpanKind.SERVER : SpanKind.CLIENT;
  return async ({ method, traceparent }: Call, next: () => Promise<void>): Promise<void> => {
    const startedAt = performance.now();
    const path = `${method.parent.typeName}/${method.name}`;
    const span = tracer.startSpan(path, { kind }, contextOf(traceparent));
    let outcome = "OK";
    try {
      await next();
    } catch (error) {
      outcome = "ERROR";
      throw error;
    } finally {
      span.end();
      durations.record((performance.now() - startedAt) / 1_000, {
        "rpc.system.name": "grpc",
        "rpc.method": path,
        "rpc.response.status_code": outcome,
      });
    }
  };
}

/** Where a call stands in its caller's trace. */
function contextOf(traceparent: string | undefined) {
  const [, traceId, spanId, flags] = traceparent?.split("-") ?? [];
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT;
  const traceFlags = flags === "01" ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

export const serverTelemetry = (): ServerMiddleware => telemetry("server");
export const clientTelemetry = (): ClientMiddleware => telemetry("client");
