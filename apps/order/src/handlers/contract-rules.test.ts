import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { CreateOrderRequestSchema } from "@shoal/contracts/order/v1/order_service";
import { isAppError } from "@shoal/kernel";
import { requireValid } from "@shoal/rpc";

/** The fields that an order of these SKUs breaks a rule with. */
function wrongFields(skus: readonly string[]): readonly string[] {
  const request = create(CreateOrderRequestSchema, {
    idempotencyKey: "k",
    userId: "00000000-0000-4000-8000-000000000000",
    lines: skus.map((sku) => ({ sku, quantity: 1 })),
  });
  try {
    requireValid(CreateOrderRequestSchema, request, "shoal.order");
    return [];
  } catch (error) {
    assert.ok(isAppError(error, "INVALID_REQUEST"), String(error));
    return error.violations.map(({ field }) => field);
  }
}

const skus = (count: number) => Array.from({ length: count }, (_, n) => `S${n}`);

test("an order has 1 to 100 lines, each SKU on one of them", () => {
  assert.deepEqual(wrongFields(skus(100)), []);
  assert.deepEqual(wrongFields([...skus(99), "S0"]), ["lines"]);
  for (const count of [0, 101, 10_000, 50_000]) assert.deepEqual(wrongFields(skus(count)), ["lines"], String(count));
});
