import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { OrderSchema, OrderStatus } from "@shoal/contracts/order/v1/order_service";
import { AppError } from "@shoal/kernel";
import { Ledger, type Wish } from "./ledger.ts";

const wish: Wish = { userId: "ada", idempotencyKey: "k", lines: [{ sku: "TEA", quantity: 2 }] };
const order = (id: string, quantity = 2) =>
  create(OrderSchema, {
    id,
    userId: "ada",
    status: OrderStatus.PLACED,
    lines: [{ sku: "TEA", quantity, unitPrice: { minorUnits: 5n, currency: "EUR" } }],
  });
const soldOut = new AppError({
  kind: "precondition",
  reason: "INSUFFICIENT_STOCK",
  domain: "shoal.order",
  message: "no tea",
});

test("the same answer again is none the worse", () => {
  const ledger = new Ledger();
  ledger.asks(wish);
  ledger.placed(wish, order("o1"));
  ledger.placed(wish, order("o1"));
  ledger.ended("o1", "confirmed");
  ledger.ended("o1", "confirmed");
  assert.deepEqual(ledger.problems, []);
  assert.deepEqual([...ledger.orders.values()], [{ id: "o1", userId: "ada", lines: ["TEA 2 at 5"], end: "confirmed" }]);
});

for (const [what, told] of [
  ["another order for the same key", (ledger: Ledger) => ledger.placed(wish, order("o2"))],
  ["a refusal after an order", (ledger: Ledger) => ledger.refused(wish, soldOut)],
  [
    "other lines than were asked for",
    (ledger: Ledger) => ledger.placed({ ...wish, idempotencyKey: "l" }, order("o3", 3)),
  ],
  ["a second end", (ledger: Ledger) => ledger.ended("o1", "cancelled")],
  ["the end of an order that nobody has", (ledger: Ledger) => ledger.ended("o9", "expired")],
  ["a key without an answer", (ledger: Ledger) => ledger.asks({ ...wish, idempotencyKey: "m" })],
] as const)
  test(`${what} is a problem`, () => {
    const ledger = new Ledger();
    ledger.placed(wish, order("o1"));
    ledger.ended("o1", "confirmed");
    told(ledger);
    assert.equal(ledger.problems.length, 1, String(ledger.problems));
  });
