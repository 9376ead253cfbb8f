import assert from "node:assert/strict";
import { test } from "node:test";
import { orderIdOf, statusAfter } from "./order.ts";

test("a user's key names one order, and another user's the same key another", () => {
  assert.equal(orderIdOf("ada", "k"), orderIdOf("ada", "k"));
  assert.notEqual(orderIdOf("ada", "k"), orderIdOf("bob", "k"));
  assert.notEqual(orderIdOf("ada", "k"), orderIdOf("ada", "l"));
});

test("an order ends as its hold has ended; a release that nobody asked for is an expiry", () => {
  assert.equal(statusAfter("confirm", "confirmed"), "confirmed");
  assert.equal(statusAfter("cancel", "confirmed"), "confirmed");
  assert.equal(statusAfter("cancel", "released"), "cancelled");
  assert.equal(statusAfter("confirm", "released"), "expired");
  assert.equal(statusAfter(undefined, "released"), "expired");
  assert.equal(statusAfter("cancel", "expired"), "expired");
});
