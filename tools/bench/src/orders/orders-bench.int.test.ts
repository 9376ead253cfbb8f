import assert from "node:assert/strict";
import { test } from "node:test";
import { ordersBench } from "./orders-bench.ts";

test("real services place orders, none of which fails, on the embedded databases", async () => {
  const { rows } = await ordersBench.run({
    rounds: 1,
    seconds: 0.2,
    only: ["shoal"],
    database: "sqlite",
    profileDir: undefined,
    signal: new AbortController().signal,
    progress: () => {},
  });
  const figureOf = (name: string) => rows.find((row) => row.name === name)?.value;
  assert.ok(Number(figureOf("orders.hot.vs_echo")) > 0);
  assert.ok(Number(figureOf("orders.hot.c1.p50_ms")) > 0);
  for (const { name, value } of rows) if (name.endsWith(".failed")) assert.equal(value, 0, name);
});
