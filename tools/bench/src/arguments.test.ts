import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments, usageOf } from "./arguments.ts";
import type { Bench } from "./bench.ts";

const bench: Bench = {
  name: "rpc",
  what: "what a call costs",
  subjects: ["bare", "ours"],
  defaults: { rounds: 5, seconds: 0.5 },
  run: async () => ({ tables: [], rows: [] }),
};
const read = (...args: readonly string[]) => readArguments(args, [bench]);

test("lists the benches that there are when nothing is asked for", () => {
  assert.deepEqual(read(), { help: true });
  assert.deepEqual(read("rpc", "--help"), { help: true });
  assert.deepEqual(read("rcp", "--rounds", "many", "--help"), { help: true }, "whatever else is wrong");
  assert.match(usageOf([bench]), /rpc +what a call costs\n.*5 rounds, 0\.5 s each; --only bare,ours/);
});

test("has a bench's own defaults", () => {
  const expected = {
    bench,
    json: false,
    rounds: 5,
    seconds: 0.5,
    only: undefined,
    database: undefined,
    profile: undefined,
  };
  assert.deepEqual(read("rpc"), { help: false, ...expected });
});

test("takes what is given", () => {
  const given = read("rpc", "--json", "--rounds", "2", "--seconds", "0.2", "--only", "ours", "--profile", "here");
  const expected = { bench, json: true, rounds: 2, seconds: 0.2, only: ["ours"], database: undefined, profile: "here" };
  assert.deepEqual(given, { help: false, ...expected });
});

test("refuses what it does not know or cannot use", () => {
  assert.throws(() => read("rcp"), /there is no bench "rcp"; there are: rpc/);
  assert.throws(() => read("--json"), /which bench\? There are: rpc/);
  assert.throws(() => read("rpc", "rpc"), /one bench at a time/);
  assert.throws(() => read("rpc", "--jsno"), /--jsno/);
  assert.throws(() => read("rpc", "--rounds", "0.5"), /--rounds must be a whole number from 1 to 1000, not "0\.5"/);
  assert.throws(() => read("rpc", "--seconds", "0"), /--seconds must be a number from 0\.05 to 60, not "0"/);
  assert.throws(() => read("rpc", "--database", "sqlite"), /the bench rpc takes none; benches that do: none/);
  assert.throws(() => read("rpc", "--only", "theirs"), /the bench rpc has no "theirs"; it has: bare, ours/);
});

test("takes a database for a bench that can use one", () => {
  const taker = { ...bench, name: "orders", takesDatabase: true };
  const databaseOf = (database: string) => {
    const found = readArguments(["orders", "--database", database], [bench, taker]);
    return found.help ? undefined : found.database;
  };
  assert.equal(databaseOf("sqlite"), "sqlite");
  assert.equal(databaseOf("mysql://root@127.0.0.1:3306"), "mysql://root@127.0.0.1:3306");
  for (const wrong of ["postgres://127.0.0.1", "sqlite:orders.db", "mysql://"])
    assert.throws(() => databaseOf(wrong), /--database must be sqlite or mysql:\/\/USER/);
  const refused = () => readArguments(["rpc", "--database", "sqlite"], [bench, taker]);
  assert.throws(refused, /the bench rpc takes none; benches that do: orders/);
  assert.match(usageOf([bench, taker]), /--database D [^(]*\(orders\)/);
});
