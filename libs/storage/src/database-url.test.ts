import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDatabaseUrl } from "./database-url.ts";

test("reads the path of a sqlite URL", () => {
  assert.deepEqual(parseDatabaseUrl("sqlite:.shoal/user.db"), { engine: "sqlite", path: ".shoal/user.db" });
  assert.deepEqual(parseDatabaseUrl("sqlite:/var/lib/user.db"), { engine: "sqlite", path: "/var/lib/user.db" });
});

test("reads the parts of a mysql URL, decoded, with the usual port", () => {
  assert.deepEqual(parseDatabaseUrl("mysql://shoal%40eu:p%2Fw@[::1]/shoal_user"), {
    engine: "mysql",
    host: "::1",
    port: 3306,
    user: "shoal@eu",
    password: "p/w",
    database: "shoal_user",
  });
});

test("says what it expects, and never repeats a password", () => {
  for (const bad of [
    "",
    "user.db",
    "sqlite:",
    "sqlite://x",
    "postgres://u:secret@h/d",
    "mysql://u:secret@h",
    "mysql://h/d",
    "mysql://u:secret@h/d?ssl=1",
    "mysql://u:secret%ZZ@h/d",
  ]) {
    assert.throws(
      () => parseDatabaseUrl(bad),
      (error: Error) => /expected sqlite:PATH or mysql:/.test(error.message) && !error.message.includes("secret"),
      bad,
    );
  }
});
