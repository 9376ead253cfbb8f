import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@shoal/kernel";
import { skuNotFound } from "./product.ts";
import { price } from "./reservation.ts";

const offers = new Map(
  [
    { sku: "TEA", price: { minorUnits: 450n, currency: "EUR" }, available: 5 },
    { sku: "CUP", price: { minorUnits: 999n, currency: "EUR" }, available: 1 },
    { sku: "SAKE", price: { minorUnits: 2_000n, currency: "JPY" }, available: 9 },
    { sku: "GEM", price: { minorUnits: 2n ** 63n - 1n, currency: "EUR" }, available: 9 },
  ].map((offer) => [offer.sku, offer]),
);
const order = (...lines: [sku: string, quantity: number][]) =>
  price(
    lines.map(([sku, quantity]) => ({ sku, quantity })),
    offers,
    skuNotFound,
  );

test("prices each line and adds them up exactly", () => {
  const { lines, total } = order(["TEA", 3], ["CUP", 1]);
  assert.deepEqual(total, { minorUnits: 2_349n, currency: "EUR" });
  assert.deepEqual(lines[1], { sku: "CUP", quantity: 1, unitPrice: { minorUnits: 999n, currency: "EUR" } });
});

test("takes the last piece and a total of exactly 2^63 - 1", () => {
  assert.equal(order(["CUP", 1]).total.minorUnits, 999n);
  assert.equal(order(["GEM", 1]).total.minorUnits, 2n ** 63n - 1n);
});

test("refuses what it cannot price, and says which line", () => {
  const refused = (lines: [string, number][], reason: string, about: string) =>
    assert.throws(
      () => order(...lines),
      (error) => isAppError(error, reason) && JSON.stringify(error).includes(about),
      reason,
    );
  refused(
    [
      ["TEA", 1],
      ["NONE", 1],
    ],
    "SKU_NOT_FOUND",
    "NONE",
  );
  refused(
    [
      ["TEA", 1],
      ["SAKE", 1],
    ],
    "MIXED_CURRENCIES",
    "SAKE",
  );
  refused([["GEM", 2]], "AMOUNT_OVERFLOW", "lines[0].quantity");
  refused(
    [
      ["GEM", 1],
      ["TEA", 1],
    ],
    "AMOUNT_OVERFLOW",
    "lines[1].quantity",
  );
  refused(
    [
      ["TEA", 5],
      ["CUP", 2],
    ],
    "INSUFFICIENT_STOCK",
    "CUP",
  );
});
