import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments } from "./arguments.ts";

test("has the databases of npm start, or those that are set", () => {
  const { order, inventory } = readArguments([], { SHOAL_HOME: "/home", SHOAL_ORDER_DATABASE_URL: "" });
  assert.deepEqual([order, inventory], ["sqlite:/home/data/order.db", "sqlite:/home/data/inventory.db"]);
  const url = "mysql://u:p@h/o";
  assert.equal(readArguments([], { SHOAL_ORDER_DATABASE_URL: url }).order, url);
  assert.equal(readArguments(["--order", "sqlite:x"], { SHOAL_ORDER_DATABASE_URL: url }).order, "sqlite:x");
});

test("takes what is given", () => {
  const { settled, overdueMs, json } = readArguments(["--settled", "--overdue-ms", "0", "--json"], {});
  assert.deepEqual({ settled, overdueMs, json }, { settled: true, overdueMs: 0, json: true });
  assert.equal(readArguments([], {}).overdueMs, 60_000);
});

test("shows its help whatever else is said", () => {
  assert.ok(readArguments(["--overdue-ms", "soon", "--help"], {}).help);
  assert.ok(!readArguments([], {}).help);
});

test("refuses what it does not know or cannot use", () => {
  for (const args of [["--orders", "x"], ["--overdue-ms", "1e3"], ["--overdue-ms", "86400001"], ["x"]])
    assert.throws(() => readArguments(args, {}), Error, args.join(" "));
});
