import assert from "node:assert/strict";
import { test } from "node:test";
import { address, checkedText, host, integer, logLevel, parsed, port, text } from "./kinds.ts";
import { readSettings, SettingsError } from "./settings.ts";

const declared = {
  grpcPort: { env: "SHOAL_X_GRPC_PORT", schema: port(50_051), about: "Where the service answers." },
  url: { env: "SHOAL_X_DATABASE_URL", schema: text("sqlite:x.db"), about: "Where its state is kept." },
  level: { env: "SHOAL_X_LOG_LEVEL", schema: logLevel(), about: "How much is logged." },
};

test("takes what is set, and the default for what is not set or empty", () => {
  const settings = readSettings("SHOAL_X_", declared, { SHOAL_X_GRPC_PORT: "0", SHOAL_X_DATABASE_URL: "" });
  assert.deepEqual(settings, { grpcPort: 0, url: "sqlite:x.db", level: "info" });
});

test("reports every problem at once, each with the variable and what is expected", () => {
  const env = { SHOAL_X_GRPC_PORT: "70000", SHOAL_X_LOG_LEVEL: "loud" };
  assert.throws(
    () => readSettings("SHOAL_X_", declared, env),
    (error: unknown) => {
      assert.ok(error instanceof SettingsError);
      assert.match(error.message, /SHOAL_X_GRPC_PORT: must be a whole number from 0 to 65535, not "70000"\. Where/);
      assert.match(error.message, /SHOAL_X_LOG_LEVEL: must be one of trace, debug/);
      return true;
    },
  );
});

test("refuses a name that it does not know, for it may be a misspelt one", () => {
  assert.throws(
    () => readSettings("SHOAL_X_", declared, { SHOAL_X_GRCP_PORT: "1" }),
    /SHOAL_X_GRCP_PORT: there is no such setting\. Known: SHOAL_X_DATABASE_URL, /,
  );
});

test("leaves other programs' variables alone", () => {
  assert.doesNotThrow(() => readSettings("SHOAL_X_", declared, { SHOAL_Y_GRPC_PORT: "x", HOME: "/" }));
});

test("a whole number is no more than that", () => {
  for (const bad of ["1.5", "1e3", "0x10", "ten", "-1", "11"]) {
    assert.equal(integer(1, 0, 10).safeParse(bad).success, false, bad);
  }
});

test("a host has no port, and an address has one", () => {
  for (const good of ["127.0.0.1", "::1", "0.0.0.0", "db-1.internal"])
    assert.equal(host("x").safeParse(good).success, true, good);
  for (const bad of ["127.0.0.1:5000", "[::1]", "a b"]) assert.equal(host("x").safeParse(bad).success, false, bad);
  for (const good of ["user:50051", "[::1]:50051", "10.0.0.1:1"])
    assert.equal(address("x:1").safeParse(good).success, true, good);
  for (const bad of ["user", "user:0", "user:65536", "::1:50051", "http://user:1"])
    assert.equal(address("x:1").safeParse(bad).success, false, bad);
});

test("what a check has against a text is the problem that is reported", () => {
  const kind = checkedText("good", (value) => {
    if (value !== "good") throw new Error("must be good");
  });
  assert.equal(kind.parse(undefined), "good");
  assert.equal(kind.safeParse("bad").error?.issues[0]?.message, "must be good");
});

test("text that is parsed has the parser's words for what is wrong", () => {
  const kind = parsed("1", (value) => {
    if (Number.isNaN(Number(value))) throw new Error("must be a number");
    return Number(value);
  });
  assert.equal(kind.parse(undefined), 1);
  assert.equal(kind.parse("2"), 2);
  assert.equal(kind.safeParse("x").error?.issues[0]?.message, "must be a number");
});
