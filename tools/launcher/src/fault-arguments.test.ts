import assert from "node:assert/strict";
import { test } from "node:test";
import { readFaultArguments } from "./fault-arguments.ts";

const read = (line: string) => readFaultArguments(line.split(" ").filter((word) => word !== ""));
const set = (instance: string, rule: object, add = false) => ({ action: "set", instance, rule, add });

test("reads every fault", () => {
  assert.deepEqual(
    read("order-2 --latency 500 --jitter 20.5 --share 0.5 --method CreateOrder"),
    set("order-2", { method: "CreateOrder", share: 0.5, fault: { latencyMs: 500, jitterMs: 20.5 } }),
  );
  assert.deepEqual(
    read("order --code UNAVAILABLE --message away --afterwards --add"),
    set("order", { fault: { code: "UNAVAILABLE", message: "away", afterwards: true } }, true),
  );
  assert.deepEqual(read("all --reset connection"), set("all", { fault: { reset: "connection" } }));
  assert.deepEqual(read("--black-hole user"), set("user", { fault: { blackHole: true } }));
  assert.deepEqual(read("order --off"), { action: "clear", instance: "order" });
  assert.deepEqual(read(""), { action: "show" });
  assert.deepEqual(read("--help"), { action: "help" });
});

test("says what is wrong", () => {
  for (const [line, says] of [
    ["order", /one of --latency, --code, --reset, --black-hole and --off/],
    ["order --latency 1 --off", /one of --latency/],
    ["--latency 1", /which instance\? Name it first/],
    ["order user --off", /one instance at a time, or all, not order and user/],
    ["order --latency soon", /--latency must be a number, not "soon"/],
    ["order --black-hole --share half", /--share must be a number, not "half"/],
    ["order --black-hole --jitter 5", /--jitter goes with --latency/],
    ["order --latency 1 --message x", /--message goes with --code/],
    ["order --black-hole --afterwards", /--afterwards goes with --code and --reset/],
    ["order --slow", /--slow/],
  ] as const)
    assert.throws(() => read(line), says, line);
});
