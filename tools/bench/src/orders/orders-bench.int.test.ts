import assert from "node:assert/strict";
import { test } from "node:test";
import { ordersBench } from "./orders-bench.ts";

test("real services place orders, none of which fails, on the embedded databases", async () => {
  const { rows } = await ordersBench.run({
    rounds: 1,
    seconds: 0.1,
    only: ["shoal"],
    database: "sqlite",
    profileDir: undefined,
    signal: new AbortController().signal,
    progress: () => {},
  });
  // On a busy machine not every number of callers is answered in so short a time.
  for (const answered of [/^orders\.(hot|spread)\.c\d+\.p50_ms$/, /^orders\.echo\..*\.p50_ms$/])
    assert.ok(
      rows.some(({ name, value }) => answered.test(name) && value > 0),
      String(answered),
    );
  for (const { name, value } of rows) if (name.endsWith(".failed")) assert.equal(value, 0, name);
});
