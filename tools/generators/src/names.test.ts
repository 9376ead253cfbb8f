import assert from "node:assert/strict";
import { test } from "node:test";
import { camelCase, kebabCase, listOf, pascalCase, plural, upperSnakeCase, withArticle } from "./names.ts";

test("a name is written as types, values, files and reasons are", () => {
  assert.deepEqual(["payment", "user_id", "rate-limit"].map(pascalCase), ["Payment", "UserId", "RateLimit"]);
  assert.deepEqual(["RefundOrder", "user_id", "sku"].map(camelCase), ["refundOrder", "userId", "sku"]);
  assert.deepEqual(["RefundOrder", "payment"].map(kebabCase), ["refund-order", "payment"]);
  assert.deepEqual(["RefundOrder", "payment"].map(upperSnakeCase), ["REFUND_ORDER", "PAYMENT"]);
});

test("English nouns have their plurals and articles", () => {
  const nouns = ["payment", "category", "day", "box", "address", "branch"];
  assert.deepEqual(nouns.map(plural), ["payments", "categories", "days", "boxes", "addresses", "branches"]);
  const named = ["payment", "order", "user", "unit", "upload", "invoice"].map(withArticle);
  assert.deepEqual(named, ["a payment", "an order", "a user", "a unit", "an upload", "an invoice"]);
});

test("a list is read as people write one", () => {
  assert.deepEqual([listOf(undefined), listOf(" "), listOf("a, b,,c ")], [[], [], ["a", "b", "c"]]);
});
