import assert from "node:assert/strict";
import { test } from "node:test";
import { isSpanContextValid, trace } from "@opentelemetry/api";
import { logRecordOf } from "./log-record.ts";
import { createLogger, type Logger } from "./logger.ts";

/** The record of the line that `write` writes. */
function recordOf(write: (log: Logger) => void) {
  const lines: string[] = [];
  write(createLogger("order", "trace", { write: (line) => void lines.push(line) }));
  assert.equal(lines.length, 1);
  return logRecordOf(lines[0] ?? "");
}

test("the level is the severity, the message the body, and what else there is are attributes", () => {
  const lines = { sku: "TEA", quantity: 2, price: 4.5, gift: false, note: null };
  const { context: _, ...record } = recordOf((log) => log.warn({ orderId: "o-1", lines: [lines] }, "order %s", "late"));
  assert.deepEqual(record, {
    severityNumber: 13,
    severityText: "warn",
    body: "order late",
    attributes: { orderId: "o-1", lines: [lines] },
  });
});

test("each level has its number", () => {
  const levels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
  const numbers = levels.map((level) => recordOf((log) => log[level]("x")).severityNumber);
  assert.deepEqual(numbers, [1, 5, 9, 13, 17, 21]);
});

test("what is nobody's business in the line is not in the record either", () => {
  const { attributes } = recordOf((log) => log.info({ email: "ada@example.com", request: { token: "t-1" } }, "x"));
  assert.deepEqual(attributes, { email: "[redacted]", request: { token: "[redacted]" } });
});

test("an error is an exception as OpenTelemetry has it, and keeps what else it tells, but no statement", () => {
  const error = Object.assign(new TypeError("it failed", { cause: new Error("the disk is full") }), {
    errno: 28,
    sql: "insert … 'ada@example.com'",
  });
  const { attributes = {}, body } = recordOf((log) => log.error({ err: error, part: "outbox" }));
  assert.equal(body, "it failed");
  assert.deepEqual(Object.keys(attributes).sort(), [
    "err",
    "exception.message",
    "exception.stacktrace",
    "exception.type",
    "part",
  ]);
  assert.equal(attributes["exception.type"], "TypeError");
  assert.match(String(attributes["exception.stacktrace"]), /it failed[\s\S]*the disk is full/);
  assert.deepEqual(attributes["err"], { errno: 28 });
});

test("what was thrown may be anything", () => {
  assert.deepEqual(recordOf((log) => log.error({ err: "no" }, "x")).attributes, { err: "no" });
  assert.deepEqual(recordOf((log) => log.error({ err: null }, "x")).attributes, { err: null });
});

test("the record stands where the line says in its trace, or nowhere", () => {
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const at = (fields: object) =>
    trace.getSpanContext(recordOf((log) => log.info(fields, "x")).context ?? assert.fail());
  const place = at({ trace_id: traceId, span_id: "00f067aa0ba902b7", trace_flags: "01" });
  assert.deepEqual(place, { traceId, spanId: "00f067aa0ba902b7", traceFlags: 1 });
  assert.ok(isSpanContextValid(place));
  assert.equal(at({}), undefined);
});
