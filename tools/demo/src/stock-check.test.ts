import assert from "node:assert/strict";
import { test } from "node:test";
import { checkStock, comparePieces, type Level, Tally } from "./stock-check.ts";

const level = (available: number, held: number, sold: number): Level => ({
  available: BigInt(available),
  held: BigInt(held),
  sold: BigInt(sold),
});
const pieces = (quantity: number) => new Map([["A", BigInt(quantity)]]);
/** 10 there and 100 loaded; 7 confirmed, 3 still placed. */
const check = (after: Level, before = level(6, 1, 3)) =>
  checkStock({
    before: new Map([["A", before]]),
    after: new Map([["A", after]]),
    loaded: pieces(100),
    confirmed: pieces(7),
    placed: pieces(3),
  });

test("finds nothing wrong where every piece is accounted for", () => {
  assert.deepEqual(check(level(96, 4, 10)), { problems: [], expired: 0n, after: level(96, 4, 10) });
});

test("tells a piece that is gone, and one too many", () => {
  assert.deepEqual(check(level(95, 4, 10)).problems, ["A: available + held + sold should be 110 and is 109"]);
  assert.deepEqual(check(level(97, 4, 10)).problems, ["A: available + held + sold should be 110 and is 111"]);
});

test("tells a sale that was not made, though the total is right", () => {
  assert.deepEqual(check(level(97, 4, 9)).problems, ["A: sold should be 10 and is 9"]);
});

test("tells a hold that should have been given back, and one that is lost", () => {
  assert.deepEqual(check(level(95, 5, 10)).problems, ["A: held should be 4 and is 5"]);
  assert.deepEqual(check(level(98, 2, 10)).problems, ["A: held should be 4 and is 2"]);
});

test("lets holds from before end meanwhile", () => {
  const { problems, expired } = check(level(97, 3, 10));
  assert.deepEqual(problems, []);
  assert.equal(expired, 1n);
});

test("tells stock below nothing, and a product that is gone", () => {
  assert.match(check(level(-1, 4, 107)).problems.join("\n"), /A: available is -1/);
  const nowhere = { before: new Map(), after: new Map(), loaded: pieces(1), confirmed: new Map(), placed: new Map() };
  assert.deepEqual(checkStock(nowhere).problems, ["A: has no stock, and was loaded"]);
});

test("a product that is new had nothing before", () => {
  const movements = { before: new Map(), after: new Map([["A", level(100, 0, 0)]]), loaded: pieces(100) };
  assert.deepEqual(checkStock({ ...movements, confirmed: new Map(), placed: new Map() }).problems, []);
});

test("compares pieces whichever side lacks them", () => {
  const tally = new Tally();
  tally.add([{ sku: "A", quantity: 2 }]);
  tally.add([{ sku: "A", quantity: 3 }]);
  assert.deepEqual(comparePieces("x", tally.pieces, pieces(5)), []);
  assert.deepEqual(comparePieces("x", new Map(), pieces(5)), ["A: x should be 0 and is 5"]);
  assert.deepEqual(comparePieces("x", pieces(5), new Map()), ["A: x should be 5 and is 0"]);
});
