import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Broadcast } from "@shoal/concurrency";
import type { WatchStockResponseSchema } from "@shoal/contracts/inventory/v1/inventory_service";
import { type HandlerContext, serverDraining } from "@shoal/rpc";
import { skuNotFound } from "../domain/product.ts";
import type { StockLevel } from "../domain/stock.ts";
import type { StockKeeping } from "../domain/stock-keeping.ts";
import { stockToMessage } from "./messages.ts";

/** Tells which SKUs' levels have changed. */
export type StockChanges = Broadcast<string>;

/** The most SKUs that one call may watch; a watcher's queue holds each at most once. */
export const maxWatchedSkus = 100;

/** The levels of `skus` now, and each again when it has changed. Changes while a level is being sent become one. */
export async function* watchStock(
  stock: StockKeeping,
  changes: StockChanges,
  skus: readonly string[],
  { signal, draining }: HandlerContext,
): AsyncGenerator<MessageInitShape<typeof WatchStockResponseSchema>, void, undefined> {
  const waiting = new Set<string>();
  const watched = new Set(skus);
  const accepts = (sku: string) => {
    if (!watched.has(sku) || waiting.has(sku)) return false;
    waiting.add(sku);
    return true;
  };
  // Subscribed before the first read: what changes meanwhile is sent again rather than missed.
  const changed = changes.subscribe(accepts, AbortSignal.any([signal, draining]));
  try {
    const { levels, missing } = await stock.get(skus);
    const [unknown] = missing;
    if (unknown !== undefined) throw skuNotFound(unknown);
    const sent = new Map<string, StockLevel>();
    for (const level of levels) {
      sent.set(level.sku, level);
      yield { stock: stockToMessage(level) };
    }
    for await (const sku of changed) {
      waiting.delete(sku);
      const [level] = (await stock.get([sku])).levels;
      if (level === undefined || isSame(level, sent.get(sku))) continue;
      sent.set(sku, level);
      yield { stock: stockToMessage(level) };
    }
  } finally {
    await changed.return?.();
  }
  if (draining.aborted) throw serverDraining();
}

function isSame(a: StockLevel, b: StockLevel | undefined): boolean {
  return a.available === b?.available && a.held === b.held && a.sold === b.sold;
}
