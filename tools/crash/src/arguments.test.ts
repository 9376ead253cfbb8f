import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments } from "./arguments.ts";

test("runs 200 cycles with a seed of its own choice on a server of its own", () => {
  const { seed, ...rest } = readArguments([]);
  assert.deepEqual(rest, { cycles: 200, database: undefined, help: false });
  assert.ok(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32);
});

test("takes what is given", () => {
  const args = ["--cycles", "3", "--seed", "7", "--database", "mysql://root@h:1"];
  assert.deepEqual(readArguments(args), { cycles: 3, seed: 7, database: "mysql://root@h:1", help: false });
});

test("says what is wrong", () => {
  assert.throws(
    () => readArguments(["--cycles", "none"]),
    /--cycles must be a whole number from 1 to 100000, not "none"/,
  );
  assert.throws(() => readArguments(["--seed", "-1"]), /--seed/);
  assert.throws(() => readArguments(["--cylces", "3"]), /--cylces/);
  for (const database of ["foo", "sqlite:x", "mysql://", "mysql:///orders", "mysql://[", "http://h:1"])
    assert.throws(
      () => readArguments(["--database", database]),
      /^Error: --database must be mysql:\/\/USER:PASSWORD@HOST:PORT$/,
      database,
    );
});

test("who asks for help gets it, whatever else is wrong", () => {
  assert.equal(readArguments(["--cycles", "none", "--seed=-1", "--database", "foo", "--help"]).help, true);
});
