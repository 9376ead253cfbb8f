import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "@shoal/kernel";
import type { CallEnd } from "@shoal/rpc";
import { createLogger } from "@shoal/telemetry";
import { createCallLog } from "./call-log.ts";

const path = "/shoal.order.v1.OrderService/CreateOrder";
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";

function start(access = true) {
  const lines: Record<string, unknown>[] = [];
  const time = { now: 0 };
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const log = createCallLog(createLogger("order", "info", destination), access, () => time.now);
  const end = (code: string, error?: unknown, init: { path?: string } = {}) =>
    log({
      path,
      code,
      durationMs: 1.23456,
      error,
      context: {
        requestId: "r-1",
        traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
        deadline: Date.now() + 60_000,
        peer: { address: "127.0.0.1:4711" },
      } as CallEnd["context"],
      ...init,
    });
  return { lines, time, end };
}

test("each call is a line with its method, code, duration, caller, time left and trace", () => {
  const { lines, end } = start();
  end("OK");
  const { time: _, deadlineLeftMs, ...line } = lines[0] ?? {};
  assert.deepEqual(line, {
    level: "info",
    service: "order",
    method: path,
    code: "OK",
    durationMs: 1.235,
    peer: "127.0.0.1:4711",
    requestId: "r-1",
    trace_id: traceId,
    span_id: "00f067aa0ba902b7",
    trace_flags: "01",
    msg: "call",
  });
  assert.ok(Number(deadlineLeftMs) > 59_000);
});

test("the line of a call that is refused says why, in the word that its caller gets", () => {
  const { lines, end } = start();
  end("NOT_FOUND", new AppError({ kind: "missing", reason: "USER_NOT_FOUND", domain: "shoal.order", message: "none" }));
  assert.deepEqual(
    [lines[0]?.["code"], lines[0]?.["reason"], lines[0]?.["err"]],
    ["NOT_FOUND", "USER_NOT_FOUND", undefined],
  );
});

test("a burst of the same failure says why once a second, with how many there were since, and leaves out no call", () => {
  const { lines, time, end } = start();
  const fail = (reason: string) =>
    end("UNAVAILABLE", new AppError({ kind: "unavailable", reason, domain: "shoal.order", message: "away" }));
  for (let n = 0; n < 100; n += 1) fail("USER_UNAVAILABLE");
  fail("INVENTORY_UNAVAILABLE");
  time.now = 1_000;
  fail("USER_UNAVAILABLE");
  const told = lines.filter(({ level }) => level === "warn");
  assert.deepEqual(
    told.map(({ err, unlogged }) => [(err as { reason: string }).reason, unlogged]),
    [
      ["USER_UNAVAILABLE", undefined],
      ["INVENTORY_UNAVAILABLE", undefined],
      ["USER_UNAVAILABLE", 99],
    ],
  );
  assert.equal(lines.length, 102);
});

test("an unexpected failure is an error with its cause", () => {
  const { lines, end } = start();
  end("INTERNAL", new TypeError("x is not a function"));
  assert.equal(lines[0]?.["level"], "error");
  const { stack } = (lines[0]?.["err"] ?? {}) as { stack?: string };
  assert.match(String(stack), /x is not a function/);
});

test("with the access log off only failures are written, and health checks never", () => {
  const { lines, end } = start(false);
  end("OK");
  end("NOT_FOUND");
  assert.equal(lines.length, 0);
  end("UNAVAILABLE", new Error("away"));
  assert.equal(lines.length, 1);
  const on = start();
  on.end("OK", undefined, { path: "/grpc.health.v1.Health/Check" });
  assert.equal(on.lines.length, 0);
});
