import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type LoadStockLineSchema, LoadStockRequestSchema } from "@shoal/contracts/inventory/v1/inventory_service";
import { isAppError } from "@shoal/kernel";
import type { LoadLine, StockKeeping } from "../domain/stock-keeping.ts";
import { loadStock } from "./load-stock.ts";

/** Takes every line that it is given, and remembers it. */
function createStock() {
  const loaded: LoadLine[] = [];
  const load = async (_: string, lines: readonly LoadLine[]) => {
    loaded.push(...lines);
    return lines.map(() => ({ kind: "created" }));
  };
  return { loaded, stock: { load } as unknown as StockKeeping };
}

async function* send(lines: readonly MessageInitShape<typeof LoadStockLineSchema>[], loadIds: readonly string[] = []) {
  for (const [index, line] of lines.entries())
    yield create(LoadStockRequestSchema, { loadId: loadIds[index] ?? "load", line });
}

const line = (sku: string, quantity = 1) => ({ sku, name: sku, price: { minorUnits: 1n, currency: "EUR" }, quantity });
const lines = (count: number) => Array.from({ length: count }, (_, n) => line(`S${n}`));

test("a second line for a SKU is rejected, near or far, of the same quantity or another", async () => {
  const { stock, loaded } = createStock();
  const sent = [line("A"), line("A"), ...lines(250), line("A"), line("S0", 2)];
  const { created, rejected, rejectedLines } = await loadStock(stock, send(sent));
  assert.deepEqual([created, rejected, loaded.length], [251n, 3n, 251]);
  assert.deepEqual(
    rejectedLines?.map(({ lineNumber, sku, reason }) => `${lineNumber} ${sku} ${reason}`),
    ["2 A DUPLICATE_LINE", "253 A DUPLICATE_LINE", "254 S0 DUPLICATE_LINE"],
  );
});

test("a line whose first sending was bad is taken when it is sent right", async () => {
  const { stock } = createStock();
  const { created, rejected } = await loadStock(stock, send([line("A", -1), line("A")]));
  assert.deepEqual([created, rejected], [1n, 1n]);
});

test("a load beyond the limit ends as too large, and the lines before are loaded", async () => {
  const { stock, loaded } = createStock();
  assert.equal((await loadStock(stock, send(lines(150)), 150)).created, 150n);
  loaded.length = 0;
  await assert.rejects(loadStock(stock, send(lines(151)), 150), (error) => {
    assert.ok(isAppError(error, "LOAD_TOO_LARGE"));
    assert.deepEqual([error.kind, error.violations.map(({ field }) => field)], ["invalid", ["line"]]);
    return true;
  });
  assert.equal(loaded.length, 150);
});

test("the lines before a change of the load id are loaded", async () => {
  const { stock, loaded } = createStock();
  await assert.rejects(loadStock(stock, send(lines(3), ["a", "a", "b"])), (error) =>
    isAppError(error, "LOAD_ID_CHANGED"),
  );
  assert.equal(loaded.length, 2);
});

test("a rejected SKU is cut to 64 characters, never inside one", async () => {
  const { stock } = createStock();
  const { rejectedLines } = await loadStock(stock, send([line(`x${"🧦".repeat(100)}`), line("y".repeat(100))]));
  assert.deepEqual(
    rejectedLines?.map(({ sku }) => sku),
    [`x${"🧦".repeat(63)}`, "y".repeat(64)],
  );
});
