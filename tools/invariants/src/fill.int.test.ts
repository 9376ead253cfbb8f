import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "@shoal/testkit";
import { checkInvariants } from "./check.ts";
import { fill } from "./fill.ts";

test("what new databases are filled with is what the services write: all invariants hold", async (t) => {
  const folder = await temporaryDirectory(t);
  const urls = { order: `sqlite:${join(folder, "order.db")}`, inventory: `sqlite:${join(folder, "inventory.db")}` };
  await fill(10, urls);
  const findings = await checkInvariants({ ...urls, settled: false, overdueMs: 60_000 });
  assert.deepEqual(
    findings.filter(({ violations }) => violations > 0),
    [],
  );
  for (const { name, rows } of findings) assert.ok(rows > 0 || name === "nothing-left", `${name} has looked at rows`);
  assert.equal(findings.find(({ name }) => name === "orders-match-reservations")?.rows, 10);
});
