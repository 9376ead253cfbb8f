import { status } from "@grpc/grpc-js";
import { context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AppError } from "@shoal/kernel";
import { formatTraceparent, type Instruments, parseTraceparent } from "@shoal/telemetry";
import { CallMetrics } from "../call-metrics.ts";
import { codeOf } from "../errors.ts";
import type { ServedCall } from "./served-call.ts";
import type { ServerMiddleware } from "./server-layers.ts";

/** The codes by which a server says that it has failed, and not its caller: OpenTelemetry's conventions for gRPC. */
const faults = new Set(["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"]);

/**
 * The layer `telemetry` of a server: a span for each call, which goes on the caller's trace, and how long the calls take, by
 * method and code, as OpenTelemetry's conventions for RPC have it. Handlers find the span as the active one.
 */
export function serverTelemetry({ metrics, tracer }: Instruments): ServerMiddleware {
  const calls = new CallMetrics(metrics, "server");
  return (handlerContext, next) => {
    const call = handlerContext as ServedCall;
    const method = call.path.slice(1);
    const { traceparent } = call;
    const parent =
      traceparent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parseTraceparent(traceparent));
    const attributes = { "rpc.system.name": "grpc", "rpc.method": method };
    const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parent);
    call.goOnAt(formatTraceparent(span.spanContext()));
    calls.begin(call.path);
    const end = (code: string, error?: unknown) => {
      calls.end(call.path, code, performance.now() - call.startedAt);
      endSpan(span, code, error);
    };
    return context.with(trace.setSpan(parent, span), next).then(
      () => end("OK"),
      (error) => {
        end(status[codeOf(error)] ?? "UNKNOWN", error);
        throw error;
      },
    );
  };
}

function endSpan(span: Span, code: string, error: unknown): void {
  if (span.isRecording()) {
    span.setAttribute("rpc.status_code", code);
    if (error instanceof AppError) span.setAttribute("shoal.error.reason", error.reason);
    if (faults.has(code)) {
      span.setAttribute("error.type", code);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
  }
  span.end();
}
