import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments } from "./arguments.ts";

test("runs 10,000 seeds from 1 on by default", () => {
  assert.deepEqual(readArguments([]), { seeds: 10_000, from: 1, trace: false, help: false });
});

test("takes a number of seeds and where to begin, or one seed", () => {
  const options = readArguments(["--seeds", "5", "--from", "0"]);
  assert.deepEqual(options, { seeds: 5, from: 0, trace: false, help: false });
  assert.deepEqual(readArguments(["--seed", "77", "--trace"]), { seeds: 1, from: 77, trace: true, help: false });
});

for (const args of [
  ["--seeds", "0"],
  ["--seeds", "1.5"],
  ["--from", "-1"],
  ["--seed", "x"],
  ["--seed", "4000000001"],
])
  test(`refuses ${args.join(" ")}`, () => {
    assert.throws(() => readArguments(args), new RegExp(`${args[0]}|argument is ambiguous`));
  });

test("refuses one seed beside many, whatever those are", () => {
  for (const many of [
    ["--seeds", "5"],
    ["--from", "x"],
    ["--from", "1"],
  ])
    assert.throws(() => readArguments(["--seed", "5", ...many]), /^Error: --seed goes without --seeds and --from$/);
});

test("asked for help, it does not mind what else is wrong", () => {
  assert.equal(readArguments(["--seeds", "many", "--help"]).help, true);
  assert.equal(readArguments(["--seed", "5", "--from", "x", "-h"]).help, true);
});

test("refuses an option that it does not know", () => {
  assert.throws(() => readArguments(["--fast"]), /--fast/);
});
