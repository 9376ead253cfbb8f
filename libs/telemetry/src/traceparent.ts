import { isSpanContextValid, type SpanContext, TraceFlags } from "@opentelemetry/api";

/** A place in a trace as W3C Trace Context writes it; `undefined` for none. */
export function formatTraceparent(span: SpanContext): string | undefined {
  if (!isSpanContextValid(span)) return undefined;
  return `00-${span.traceId}-${span.spanId}-${formatTraceFlags(span)}`;
}

/** Its flags as W3C Trace Context writes them: `01` where the trace is sampled, the one flag that there is. */
export function formatTraceFlags({ traceFlags }: SpanContext): string {
  return (traceFlags & TraceFlags.SAMPLED) !== 0 ? "01" : "00";
}

/** The place in a trace that a well-formed `traceparent` names, in another process. */
export function parseTraceparent(text: string): SpanContext {
  const traceFlags = Number.parseInt(text.slice(53, 55), 16) & TraceFlags.SAMPLED;
  return { traceId: text.slice(3, 35), spanId: text.slice(36, 52), traceFlags, isRemote: true };
}
