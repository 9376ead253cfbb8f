import assert from "node:assert/strict";
import { test } from "node:test";
import { derivedId, newId } from "./ids.ts";

test("a new id is a version 7 UUID that starts with its time", () => {
  const id = newId(0x0123_4567_89ab);
  assert.match(id, /^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.notEqual(newId(), newId());
});

test("ids made a millisecond apart sort by time", () => {
  assert.ok(newId(1_000) < newId(1_001));
});

test("a derived id is the same for the same parts and differs where the parts divide otherwise", () => {
  assert.equal(derivedId("user", "key"), derivedId("user", "key"));
  assert.notEqual(derivedId("ab", "c"), derivedId("a", "bc"));
  assert.notEqual(derivedId("a"), derivedId("a", ""));
  assert.match(derivedId("x"), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("a derived id is stable across releases, for it is stored", () => {
  assert.equal(derivedId("user", "key"), "ac1651c6-6bfb-8083-abb4-8cd9780fdccb");
});
