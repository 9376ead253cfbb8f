import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, runWithContext } from "@shoal/kernel";
import { createLogger } from "./logger.ts";

function collect() {
  const lines: Record<string, unknown>[] = [];
  return { lines, destination: { write: (line: string) => void lines.push(JSON.parse(line)) } };
}

test("writes one JSON object a line with time, level and service", () => {
  const { lines, destination } = collect();
  createLogger("order", "info", destination).info({ orderId: "o1" }, "order placed");
  const { time, ...rest } = lines[0] ?? {};
  assert.deepEqual(rest, { level: "info", service: "order", orderId: "o1", msg: "order placed" });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test("adds the request id of the call that is being served", () => {
  const { lines, destination } = collect();
  const log = createLogger("order", "info", destination);
  const context = createContext({ requestId: "r-7" });
  runWithContext(context, () => log.info("inside"));
  log.info("outside");
  assert.deepEqual(
    lines.map((line) => line["requestId"]),
    ["r-7", undefined],
  );
});

test("keeps the stack of an error and of its cause", () => {
  const { lines, destination } = collect();
  const error = new Error("outer", { cause: new Error("inner") });
  createLogger("order", "info", destination).error({ err: error }, "it failed");
  const [line] = lines as { err: { stack: string } }[];
  assert.match(line?.err.stack ?? "", /outer[\s\S]*inner/);
});

test("drops the statement, with the values in it, from a database driver's error", () => {
  const { lines, destination } = collect();
  const error = Object.assign(new Error("Unknown column"), { sql: "insert … 'ada@example.com'", errno: 1054 });
  createLogger("user", "info", destination).error({ err: error }, "it failed");
  assert.equal(JSON.stringify(lines).includes("ada@example.com"), false);
  assert.equal((lines[0]?.["err"] as { errno: number } | undefined)?.errno, 1054);
});
