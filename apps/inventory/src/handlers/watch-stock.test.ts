import assert from "node:assert/strict";
import { test } from "node:test";
import type { HandlerContext } from "@shoal/rpc";
import type { StockChanges } from "../domain/stock.ts";
import type { StockKeeping } from "../domain/stock-keeping.ts";
import { watchStock } from "./watch-stock.ts";

test("who has had a part of the levels of now has no token to go on from: it would miss the others", async () => {
  const skus = ["A", "B", "C"];
  const levels = skus.map((sku) => ({ sku, available: 1, held: 0, sold: 0, version: 1 }));
  const stock = { get: async () => ({ levels, missing: [] }) } as unknown as StockKeeping;
  const changes: StockChanges = { position: async () => 7n, read: async function* () {} };
  const never = new AbortController().signal;
  const context = { signal: never, draining: never } as HandlerContext;
  const tokens: boolean[] = [];
  const request = { $typeName: "shoal.inventory.v1.WatchStockRequest" as const, skus, resumeToken: "" };
  for await (const { resumeToken } of watchStock(stock, changes, request, context)) tokens.push(Boolean(resumeToken));
  assert.deepEqual(tokens, [false, false, true]);
});
