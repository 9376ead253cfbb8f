import assert from "node:assert/strict";
import { test } from "node:test";
import { readInstance } from "./instance.ts";

test("what may be unknown may be missing, and what is no part of an instance is dropped", () => {
  assert.deepEqual(readInstance({ service: "order", id: "x", address: "[::1]:80", cpu: 4 }), {
    service: "order",
    id: "x",
    address: "[::1]:80",
    zone: "",
    version: "",
    weight: 100,
    startedAt: 0,
  });
});

test("says which field is wrong", () => {
  const good = { service: "order", id: "x", address: "host:1" };
  for (const [bad, field] of [
    [{ service: "" }, "service"],
    [{ service: "a".repeat(64) }, "service"],
    [{ service: "a/b" }, "service"],
    [{ id: "" }, "id"],
    [{ id: "a b" }, "id"],
    [{ id: "a".repeat(129) }, "id"],
    [{ address: "host" }, "address"],
    [{ address: "host:0" }, "address"],
    [{ address: "host:65536" }, "address"],
    [{ address: "::1:80" }, "address"],
    [{ address: "[::1:80" }, "address"],
    [{ address: "[1.2.3.4]:80" }, "address"],
    [{ zone: 1 }, "zone"],
    [{ version: "v".repeat(129) }, "version"],
    [{ weight: 1_001 }, "weight"],
    [{ weight: "100" }, "weight"],
    [{ startedAt: -1 }, "startedAt"],
  ] as const)
    assert.throws(() => readInstance({ ...good, ...bad }), new RegExp(field), JSON.stringify(bad));
  for (const bad of [null, undefined, "order", 1]) assert.throws(() => readInstance(bad), /object/);
});
