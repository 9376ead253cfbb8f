import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import {
  BatchGetProductsRequestSchema,
  GetStockRequestSchema,
  ReserveStockRequestSchema,
  WatchStockRequestSchema,
} from "@shoal/contracts/inventory/v1/inventory_service";
import { isAppError } from "@shoal/kernel";
import { requireValid } from "@shoal/rpc";

/** The fields that a request breaks a rule with. */
function wrongFields<D extends DescMessage>(schema: D, request: MessageInitShape<D>): readonly string[] {
  try {
    requireValid(schema, create(schema, request), "shoal.inventory");
    return [];
  } catch (error) {
    assert.ok(isAppError(error, "INVALID_REQUEST"), String(error));
    return error.violations.map(({ field }) => field);
  }
}

const skus = (count: number) => Array.from({ length: count }, (_, n) => `S${n}`);
const reserve = (skus: readonly string[]) => ({
  reservationId: "r",
  lines: skus.map((sku) => ({ sku, quantity: 1 })),
  timeToLive: { seconds: 60n },
});

test("a reservation has 1 to 100 lines, each SKU on one of them", () => {
  assert.deepEqual(wrongFields(ReserveStockRequestSchema, reserve(skus(100))), []);
  assert.deepEqual(wrongFields(ReserveStockRequestSchema, reserve(["A", "B", "A"])), ["lines"]);
  assert.deepEqual(wrongFields(ReserveStockRequestSchema, reserve([...skus(99), "S0"])), ["lines"]);
  for (const count of [0, 101, 10_000, 50_000])
    assert.deepEqual(wrongFields(ReserveStockRequestSchema, reserve(skus(count))), ["lines"], String(count));
});

test("a list of SKUs that is much too long is refused, whether or not one is in it twice", () => {
  for (const schema of [BatchGetProductsRequestSchema, GetStockRequestSchema, WatchStockRequestSchema]) {
    assert.deepEqual(wrongFields(schema, { skus: skus(100) }), []);
    assert.deepEqual(wrongFields(schema, { skus: skus(50_000) }), ["skus"]);
    assert.deepEqual(wrongFields(schema, { skus: skus(50_000).fill("A") }), ["skus", "skus"]);
  }
});
