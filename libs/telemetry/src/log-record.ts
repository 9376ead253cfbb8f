import { type Context, type LogRecord, ROOT_CONTEXT, SeverityNumber, trace } from "@opentelemetry/api";

/** OpenTelemetry's numbers for the levels. */
const severityNumbers: Readonly<Record<string, SeverityNumber>> = {
  trace: SeverityNumber.TRACE,
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
  fatal: SeverityNumber.FATAL,
};

/** A line of the log, as it was read again: the fields that every line may have, and any others. */
interface LogLine {
  readonly [field: string]: unknown;
  readonly level: string;
  readonly msg?: unknown;
  readonly trace_id?: string;
  readonly span_id?: string;
  readonly trace_flags?: string;
  readonly err?: unknown;
}

/**
 * A line of the log as OpenTelemetry's log data model has it: the level is the severity, the message the body, the ids the
 * trace context; an error under `err` is the attributes `exception.*` of OpenTelemetry's conventions, and what it has besides
 * stays under `err`; all other fields are attributes of the same names, nested ones nested. The time is left to whoever takes
 * the record, which is now, and the service to the resource. It is read from the line that was written, so that it cannot hold
 * anything that the line does not.
 */
export function logRecordOf(line: string): LogRecord {
  const fields: LogLine = JSON.parse(line);
  const { level, time: _time, service: _service, msg, trace_id, span_id, trace_flags, err, ...attributes } = fields;
  return {
    severityNumber: severityNumbers[level] ?? SeverityNumber.UNSPECIFIED,
    severityText: level,
    body: msg,
    attributes: err === undefined ? attributes : { ...attributes, ...exceptionOf(err) },
    context: contextOf(fields),
  };
}

function contextOf({ trace_id, span_id, trace_flags = "00" }: LogLine): Context {
  if (trace_id === undefined || span_id === undefined) return ROOT_CONTEXT;
  const span = { traceId: trace_id, spanId: span_id, traceFlags: Number.parseInt(trace_flags, 16) };
  return trace.setSpanContext(ROOT_CONTEXT, span);
}

function exceptionOf(err: unknown): Readonly<Record<string, unknown>> {
  if (typeof err !== "object" || err === null) return { err };
  const { type, message, stack, ...rest } = err as Readonly<Record<string, unknown>>;
  return {
    "exception.type": type,
    "exception.message": message,
    "exception.stacktrace": stack,
    ...(Object.keys(rest).length > 0 && { err: rest }),
  };
}
