import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WatchStockRequest, WatchStockResponseSchema } from "@shoal/contracts/inventory/v1/inventory_service";
import { isAppError } from "@shoal/kernel";
import {
  decodeResumeToken,
  encodeResumeToken,
  type HandlerContext,
  resumeTokenExpired,
  serverDraining,
} from "@shoal/rpc";
import { domain, skuNotFound } from "../domain/product.ts";
import type { StockChange, StockChanges } from "../domain/stock.ts";
import type { StockKeeping } from "../domain/stock-keeping.ts";
import { stockToMessage } from "./messages.ts";

/** The levels of the SKUs now, unless a token says where to go on, and each again when it has changed. */
export async function* watchStock(
  stock: StockKeeping,
  changes: StockChanges,
  { skus, resumeToken }: WatchStockRequest,
  { signal, draining }: HandlerContext,
): AsyncGenerator<MessageInitShape<typeof WatchStockResponseSchema>, void, undefined> {
  const answer = ({ place, level }: StockChange) => ({
    stock: stockToMessage(level),
    resumeToken: encodeResumeToken(place),
  });
  const resumed = decodeResumeToken(resumeToken, domain);
  // Known before the levels are read: what changes meanwhile is sent again rather than missed.
  const place = resumed ?? (await changes.position());
  const { levels, missing } = await stock.get(skus);
  const [unknown] = missing;
  if (unknown !== undefined) throw skuNotFound(unknown);
  if (resumed === undefined)
    for (const [index, level] of levels.entries()) {
      // Who has not had all of them has to begin anew.
      const isLast = index === levels.length - 1;
      yield isLast ? answer({ place, level }) : { stock: stockToMessage(level) };
    }

  /** What was sent last of each SKU: what was read may be ahead of the changes that follow. */
  const sent = new Map(levels.map(({ sku, version }) => [sku, resumed === undefined ? version : 0]));
  try {
    for await (const group of changes.read(place, AbortSignal.any([signal, draining]))) {
      // Of several changes of one SKU the last one, in its place.
      const latest = new Map<string, StockChange>();
      for (const change of group) {
        const { sku, version } = change.level;
        if (version <= (sent.get(sku) ?? Number.POSITIVE_INFINITY)) continue;
        sent.set(sku, version);
        latest.delete(sku);
        latest.set(sku, change);
      }
      for (const change of latest.values()) yield answer(change);
    }
  } catch (error) {
    const isGone = isAppError(error, "EVENTS_PRUNED") || isAppError(error, "EVENTS_UNKNOWN");
    throw isGone ? resumeTokenExpired(domain, error) : error;
  }
  if (draining.aborted) throw serverDraining();
}
