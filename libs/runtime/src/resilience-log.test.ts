import assert from "node:assert/strict";
import { test } from "node:test";
import type { ResilienceEvent } from "@shoal/rpc";
import { type CountedEvent, createLogger } from "@shoal/telemetry";
import { createResilienceLog } from "./resilience-log.ts";

const path = "/shoal.user.v1.UserService/GetUser";
const instance = "127.0.0.1:50051";

/** A log of resilience, the lines that it has written without what all lines have, and the events that it has counted. */
function start() {
  const lines: object[] = [];
  const counted: CountedEvent[] = [];
  const write = (line: string) => {
    const { time: _time, service: _service, ...rest } = JSON.parse(line);
    lines.push(rest);
  };
  const told = createResilienceLog(createLogger("order", "info", { write }), (event) => counted.push(event));
  return { told, lines, counted };
}

test("what a client's callees get into is a warning, and what they get out of is not", () => {
  const { told, lines, counted } = start();
  const events: ResilienceEvent[] = [
    { type: "breaker", path, instance, from: "closed", to: "open", why: "failures" },
    { type: "breaker", path, instance, from: "open", to: "half-open", why: "waited" },
    { type: "breaker", path, instance, from: "half-open", to: "closed", why: "probes-succeeded" },
    { type: "retry-budget", state: "exhausted", tokens: 50 },
    { type: "retry-budget", state: "refilled", tokens: 51 },
    { type: "ejection", instance, state: "ejected" },
    { type: "ejection", instance, state: "restored" },
  ];
  for (const event of events) told.onClientEvent(event);
  const expected = [
    { level: "warn", msg: "a breaker is open" },
    { level: "info", msg: "a breaker is half-open" },
    { level: "info", msg: "a breaker is closed" },
    { level: "warn", msg: "the budget for retries is exhausted" },
    { level: "info", msg: "the budget for retries is refilled" },
    { level: "warn", msg: "an instance is ejected" },
    { level: "info", msg: "an instance is restored" },
  ];
  assert.deepEqual(
    lines,
    expected.map((line, n) => ({ ...line, ...events[n] })),
  );
  assert.deepEqual(counted, events);
});

test("what changes no state is counted and not logged", () => {
  const { told, lines, counted } = start();
  told.onClientEvent({ type: "retry", path, attempt: 2, code: "UNAVAILABLE", waitMs: 20 });
  told.onClientEvent({ type: "hedge", path, attempt: 2 });
  told.onClientEvent({ type: "refused", path, by: "breaker" });
  told.onClientEvent({ type: "fallback", path, state: "used", error: new Error("away") });
  told.onRefused({ path, priority: "sheddable", byHeaders: true });
  assert.deepEqual(lines, []);
  assert.deepEqual(
    counted.map(({ type }) => type),
    ["retry", "hedge", "refused", "fallback", "refused"],
  );
  assert.deepEqual(counted.at(-1), { type: "refused", by: "shedder", path, priority: "sheddable" });
});

test("that calls are refused, and that they are no more, is told by priority", () => {
  const { told, lines, counted } = start();
  told.onShedding({ type: "shedding", priority: "sheddable", refusing: true, limit: 32 });
  told.onShedding({ type: "shedding", priority: "sheddable", refusing: false, limit: 40 });
  assert.deepEqual(lines, [
    { level: "warn", priority: "sheddable", limit: 32, msg: "there is too much to do: calls are refused" },
    { level: "info", priority: "sheddable", limit: 40, msg: "calls are refused no more" },
  ]);
  assert.equal(counted.length, 2);
});
