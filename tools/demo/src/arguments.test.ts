import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments } from "./arguments.ts";

test("has defaults for all", () => {
  const defaults = { orders: 3_000, users: 100, seed: 1, catalogue: undefined, help: false };
  assert.deepEqual(readArguments([]), defaults);
});

test("takes what is given", () => {
  const { orders, catalogue } = readArguments(["--orders", "50", "--catalogue", "c.csv"]);
  assert.deepEqual([orders, catalogue], [50, "c.csv"]);
});

test("shows its help whatever else is said", () => {
  assert.ok(readArguments(["--help", "--orders", "many"]).help);
});

test("refuses what it does not know or cannot use", () => {
  for (const args of [["--orders", "0"], ["--orders", "1e3"], ["--order", "5"], ["5"], ["--users", "10001"]])
    assert.throws(() => readArguments(args), Error, args.join(" "));
});
