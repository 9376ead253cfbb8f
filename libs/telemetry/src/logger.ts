import { isSpanContextValid, trace } from "@opentelemetry/api";
import { currentContext } from "@shoal/kernel";
import { type DestinationStream, type Logger as PinoLogger, pino, stdSerializers, stdTimeFunctions } from "pino";

/** A structured logger: `log.info({ orderId }, "order placed")`. */
export type Logger = PinoLogger;

/** From this level up a line is written. */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

/**
 * A logger that writes one JSON object a line to standard output (or `destination`): time (RFC 3339, UTC), level by
 * name, service, and, while a call is served, its request id and, if it is traced, its trace's and span's ids. Errors under the key `err` keep stack and cause, and lose
 * the statement that a database driver puts on them.
 * No line is lost when the process exits; one that is killed (SIGKILL) may lose its last ones. Nobody needs to close it.
 */
export function createLogger(service: string, level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service },
    timestamp: stdTimeFunctions.isoTime,
    serializers: { err: withoutStatement },
    formatters: { level: (label: string) => ({ level: label }) },
    mixin: () => {
      const context = currentContext();
      const span = trace.getActiveSpan()?.spanContext();
      return {
        ...(context !== undefined && { requestId: context.requestId }),
        ...(span !== undefined && isSpanContextValid(span) && { trace_id: span.traceId, span_id: span.spanId }),
      };
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Database drivers put the whole statement on their errors, with the values in it: other people's data. */
function withoutStatement(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const {
    sql: _sql,
    sqlMessage: _message,
    parameters: _parameters,
    raw: _raw,
    ...rest
  } = stdSerializers.err(error) as Record<string, unknown>;
  return rest;
}
