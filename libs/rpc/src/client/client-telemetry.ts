import { status } from "@grpc/grpc-js";
import { type Attributes, context, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AppError } from "@shoal/kernel";
import { formatTraceparent, type Instruments } from "@shoal/telemetry";
import { CallMetrics } from "../call-metrics.ts";
import { codeOf } from "../errors.ts";
import type { Middleware } from "../middleware.ts";
import { writeTraceparent } from "../wire-context.ts";
import { AttemptMetrics, type AttemptObserver } from "./attempt-metrics.ts";
import type { ClientContext } from "./client-call.ts";
import { type ClientState, watchClient } from "./client-gauges.ts";

/** How the calls of clients are seen; see {@link clientTelemetry}. */
export interface ClientTelemetry {
  /** A layer around the calls of a client of `target`, outside all others. */
  layer(target: string): Middleware<ClientContext>;
  /** What is told of the attempts of a client of `target`. */
  attempts(target: string): AttemptObserver;
  /** Has the state of a client of `target` read whenever somebody looks, until what it answers is called. */
  watch(target: string, state: ClientState): () => void;
}

/**
 * A span for each call of a client, on the trace of the call that is being served, and how long calls take (OpenTelemetry's
 * conventions for RPC), and what their attempts are: how many, how long, how large (gRPC's proposal A66).
 */
export function clientTelemetry({ metrics, tracer }: Instruments): ClientTelemetry {
  const calls = new CallMetrics(metrics, "client");
  const attempts = new AttemptMetrics(metrics);
  const startSpan = (call: ClientContext, where: Attributes): Span | undefined => {
    const serving = trace.getActiveSpan();
    // What is done for a call that is not sampled is not either, which the server should know.
    const isSampled = serving?.isRecording() ?? true;
    const method = call.path.slice(1);
    const attributes = { "rpc.system.name": "grpc", "rpc.method": method, ...where };
    const span = isSampled ? tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes }) : undefined;
    const place = span ?? serving;
    const traceparent = place && formatTraceparent(place.spanContext());
    if (traceparent !== undefined) writeTraceparent(call.requestMetadata, traceparent);
    return span;
  };
  return {
    layer: (target) => {
      const where = serverOf(target);
      return (call, next) => {
        const startedAt = performance.now();
        calls.begin(call.path);
        const span = startSpan(call, where);
        const end = (code: string, error?: unknown) => {
          calls.end(call.path, code, performance.now() - startedAt);
          if (span !== undefined) endSpan(span, code, error);
        };
        const done = span === undefined ? next() : context.with(trace.setSpan(context.active(), span), next);
        return done.then(
          () => end("OK"),
          (error) => {
            end(status[codeOf(error)] ?? "UNKNOWN", error);
            throw error;
          },
        );
      };
    },
    attempts: (target) => attempts.of(target),
    watch: (target, state) => watchClient(metrics, target, state),
  };
}

function endSpan(span: Span, code: string, error: unknown): void {
  if (span.isRecording()) {
    span.setAttribute("rpc.status_code", code);
    if (code !== "OK") {
      span.setAttribute("error.type", code);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    if (error instanceof AppError) span.setAttribute("shoal.error.reason", error.reason);
  }
  span.end();
}

/** As OpenTelemetry's conventions have it: a target that names one host is told as host and port, any other as it is. */
function serverOf(target: string): Attributes {
  const [, host, port] = /^(?:\w+:\/\/\/)?(\[[^\]]+\]|[^:/,]+):(\d+)$/.exec(target) ?? [];
  return host === undefined ? { "server.address": target } : { "server.address": host, "server.port": Number(port) };
}
