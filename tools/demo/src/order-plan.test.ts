import assert from "node:assert/strict";
import { test } from "node:test";
import type { Product } from "./catalogue.ts";
import { planOrders, scarcestOf } from "./order-plan.ts";

const products: readonly Product[] = Array.from({ length: 50 }, (_, index) => ({
  sku: `P-${index}`,
  name: "product",
  description: "",
  priceCents: 100n,
  quantity: index === 30 ? 5 : 1_000,
}));
const plan = (count: number, seed = 1) => [...planOrders({ count, users: 7, products, seed })];

test("plans the same orders for the same seed, and others for another", () => {
  assert.deepEqual(plan(50), plan(50));
  assert.notDeepEqual(plan(50), plan(50, 2));
});

test("each order has one to five lines of different products, and exactly one order is bad", () => {
  const orders = plan(1_000);
  for (const { lines, userIndex } of orders) {
    assert.ok(lines.length >= 1 && lines.length <= 5);
    assert.equal(new Set(lines.map(({ sku }) => sku)).size, lines.length);
    assert.ok(userIndex >= 0 && userIndex < 7);
  }
  assert.equal(orders.filter(({ lines }) => lines.some(({ quantity }) => quantity < 1)).length, 1);
});

test("wants more of the scarcest product than there is", () => {
  const { sku, quantity } = scarcestOf(products);
  assert.equal(sku, "P-30");
  const wanted = plan(1_000).filter(({ lines }) => lines.some((line) => line.sku === sku)).length;
  assert.ok(wanted > quantity * 5, `${wanted} wanted`);
});

test("confirms most, cancels some and leaves a few", () => {
  const fates = Map.groupBy(plan(2_000), ({ fate }) => fate);
  const shareOf = (fate: "confirm" | "cancel" | "leave") => (fates.get(fate)?.length ?? 0) / 2_000;
  assert.ok(Math.abs(shareOf("confirm") - 0.75) < 0.05);
  assert.ok(Math.abs(shareOf("cancel") - 0.15) < 0.05);
  assert.ok(Math.abs(shareOf("leave") - 0.1) < 0.05);
});

test("plans orders when the scarcest product is the only one", () => {
  const [order] = planOrders({ count: 2, users: 1, products: products.slice(0, 1), seed: 1 });
  assert.ok(order !== undefined && order.lines.length === 1);
  const [, second] = planOrders({ count: 2, users: 1, products: products.slice(0, 1), seed: 1 });
  assert.deepEqual(second?.lines, [{ sku: "P-0", quantity: 1 }]);
});
