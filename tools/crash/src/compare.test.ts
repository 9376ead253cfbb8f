import assert from "node:assert/strict";
import { test } from "node:test";
import { comparePieces } from "./compare.ts";

const tea = { sku: "TEA", available: 3n, held: 0n, sold: 2n };
const orders = [
  { status: "confirmed", lines: "TEA 2 at 5, CUP 1 at 9" },
  { status: "expired", lines: "TEA 1 at 5" },
];
const cup = { sku: "CUP", available: 0n, held: 0n, sold: 1n };
const pieces = new Map([
  ["TEA", 5],
  ["CUP", 1],
]);

test("all pieces are there, and sold are those of confirmed orders", () => {
  assert.deepEqual(comparePieces([tea, cup], orders, { pieces }), []);
});

test("a product that is lost is told, and pieces that are", () => {
  assert.deepEqual(comparePieces([{ ...tea, available: 2n }], orders, { pieces }), [
    "product CUP was acknowledged, and is not there",
    "of TEA there are 4 pieces, and 5 were added",
  ]);
});

test("sales that no order tells of are told", () => {
  assert.deepEqual(comparePieces([tea, cup], orders.slice(1), { pieces }), [
    "of TEA 2 are sold, 0 of them in orders",
    "of CUP 1 are sold, 0 of them in orders",
  ]);
});
