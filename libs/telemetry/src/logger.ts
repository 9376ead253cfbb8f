import { isSpanContextValid, logs, type SpanContext, trace } from "@opentelemetry/api";
import { currentContext } from "@shoal/kernel";
import { type DestinationStream, type LogFn, type Logger as PinoLogger, pino, stdSerializers } from "pino";
import { logRecordOf } from "./log-record.ts";
import { terminalLines } from "./terminal-lines.ts";
import { formatTraceFlags } from "./traceparent.ts";

/** A structured logger: `log.info({ orderId }, "order placed")`. */
export type Logger = PinoLogger;

/** From this level up a line is written. */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

/** What stands in place of a value that is nobody's business. */
const censor = "[redacted]";

/** Names of fields, in lower case, whose values are secrets or somebody's own data, in a line's first two levels, not in lists. */
const privateFields = new Set([
  "authorization",
  "cookie",
  "password",
  "secret",
  "token",
  "email",
  "displayname",
  "paymentreference",
]);

/** Pino's number for warnings. */
const warnLevel = 40;

/** Lines below a warning are written together: as soon as there are so many bytes of them, or after so many milliseconds. */
const bufferBytes = 8_192;
const bufferMs = 100;

/** What is kept of lines that cannot be written at the moment, in bytes; those that come then are lost. */
const mostBufferedBytes = 1_048_576;

/**
 * A logger that writes one JSON object a line to standard output (or `destination`): time (RFC 3339, UTC), level by name,
 * service, and, while a call is served, its request id and, if it is traced, its trace's and span's ids and its trace's flags.
 * Errors under the key `err` keep stack and cause, and lose the statement that a database driver puts on them. Passwords,
 * tokens, e-mail addresses and other fields that are nobody's business are written as `[redacted]`. Warnings and worse are
 * written at once, with all before them; what is less within 100 ms, for a write costs more than a line. A terminal gets each
 * at once, as people read it. No line is lost when the process exits; one that is killed (SIGKILL) may lose those of its last
 * 100 ms. Nobody needs to close it.
 *
 * Each line that is written while logs are exported (`startTelemetry`) is a record of OpenTelemetry's too, with just what the
 * line has ({@link logRecordOf}).
 */
export function createLogger(service: string, level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service },
    timestamp: isoTime(),
    serializers: { err: withoutStatement },
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Fields) => censored(fields, 2),
    },
    mixin: (fields: object) => {
      // Who knows the call, as the access log does, has told it all.
      if ("requestId" in fields) return fields;
      const context = currentContext();
      const span = trace.getActiveSpan()?.spanContext();
      return {
        ...(context !== undefined && { requestId: context.requestId }),
        ...(span !== undefined && isSpanContextValid(span) && traceFields(span)),
      };
    },
    mixinMergeStrategy: (fields: object, mixin: object) => (mixin === fields ? fields : Object.assign(mixin, fields)),
  };
  // Hands over to what telemetry sets up later, and to nothing before.
  const records = logs.getLogger("shoal");
  const streamWrite = (line: string) => {
    if (records.enabled()) records.emit(logRecordOf(line));
    return line;
  };
  const direct = destination ?? (process.stdout.isTTY ? terminalLines() : undefined);
  if (direct !== undefined) return censoringChildren(pino({ ...options, hooks: { streamWrite } }, direct));
  const lines = pino.destination({
    dest: 1,
    sync: true,
    minLength: bufferBytes,
    periodicFlush: bufferMs,
    maxLength: mostBufferedBytes,
  });
  // Where nobody reads any more, or the disk is full: lines are lost then, and the service goes on.
  lines.on("error", () => {});
  process.on("exit", () => lines.flush());
  const hooks = {
    streamWrite,
    logMethod(this: Logger, args: Parameters<LogFn>, method: LogFn, written: number) {
      method.apply(this, args);
      // Not flushSync(), which tries for ever what cannot be written.
      if (written >= warnLevel) lines.flush();
    },
  };
  return censoringChildren(pino({ ...options, hooks }, lines));
}

/** Pino has no formatter for the fields of children: theirs are looked at here. */
function censoringChildren(log: Logger): Logger {
  const { child } = log;
  log.child = function (this: Logger, fields: Fields, options) {
    return child.call(this, censored(fields, 2), options) as never;
  };
  return log;
}

/** What pino's own writes for each line, written once for all lines of a millisecond. */
function isoTime(): () => string {
  let ofMs = Number.NaN;
  let written = "";
  return () => {
    const now = Date.now();
    if (now !== ofMs) {
      ofMs = now;
      written = `,"time":"${new Date(now).toISOString()}"`;
    }
    return written;
  };
}

type Fields = Record<string, unknown>;

/** As OpenTelemetry names them in logs that are not OTLP. */
function traceFields(span: SpanContext): Fields {
  return { trace_id: span.traceId, span_id: span.spanId, trace_flags: formatTraceFlags(span) };
}

/**
 * The same fields, or, where there are private ones among them or those `levels` deep, a copy with these replaced. Pino's own
 * redaction by `*.name` takes five times as long as all else that it does for a line.
 */
function censored(fields: Fields, levels: number): Fields {
  let copy: Fields | undefined;
  for (const name in fields) {
    const value = fields[name];
    const shown = privateFields.has(name.toLowerCase())
      ? censor
      : levels > 1 && isPlain(value)
        ? censored(value, levels - 1)
        : value;
    if (shown === value) continue;
    copy ??= { ...fields };
    copy[name] = shown;
  }
  return copy ?? fields;
}

function isPlain(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/**
 * Database drivers put the whole statement on their errors, with the values in it, and what the server says of it, which quotes
 * values too: other people's data.
 */
function withoutStatement(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const {
    sql: _sql,
    sqlMessage: _message,
    parameters: _parameters,
    raw: _raw,
    ...rest
  } = stdSerializers.err(error) as Record<string, unknown>;
  const quoted = quotedBy(error);
  if (quoted.length === 0) return rest;
  const hide = (text: unknown) =>
    typeof text === "string" ? quoted.reduce((left, part) => left.replaceAll(part, censor), text) : text;
  return { ...rest, message: hide(rest["message"]), stack: hide(rest["stack"]) };
}

/** What database servers have said, of an error and those that led to it. */
function quotedBy(error: unknown): readonly string[] {
  const quoted: string[] = [];
  for (let cause = error; cause instanceof Error && quoted.length < 10; cause = cause.cause)
    if ("sqlMessage" in cause && typeof cause.sqlMessage === "string" && cause.sqlMessage !== "")
      quoted.push(cause.sqlMessage);
  return quoted;
}
