import assert from "node:assert/strict";
import { test } from "node:test";
import { addMoney, maxMinorUnits, multiplyMoney } from "./money.ts";

const eur = (minorUnits: bigint) => ({ minorUnits, currency: "EUR" });

test("multiplies and adds exactly up to the largest amount", () => {
  assert.deepEqual(multiplyMoney(eur(199n), 3), eur(597n));
  assert.deepEqual(addMoney(eur(maxMinorUnits - 1n), eur(1n)), eur(maxMinorUnits));
});

test("answers undefined rather than pass the largest amount", () => {
  assert.equal(multiplyMoney(eur(maxMinorUnits), 2), undefined);
  assert.equal(addMoney(eur(maxMinorUnits), eur(1n)), undefined);
});

test("refuses to add two currencies", () => {
  assert.throws(() => addMoney(eur(1n), { minorUnits: 1n, currency: "USD" }), TypeError);
});
