import { crashPoint, isAppError } from "@shoal/kernel";
import type { BatcherOptions, ItemResult } from "./batcher-options.ts";

/**
 * A batch function for {@link Batcher} that halves a batch which fails as a whole, and does the halves one after the other,
 * so that an item that cannot be done (a poison item) fails alone: with 1 of `n` such, after about 2 log2(n) batches.
 * Where `mayBePoison` says of what the batch has failed with that no item is why, all items get the error at once; default:
 * of an `AppError` that nobody answers, or that time or room is missing. Doing a batch again must be harmless.
 */
export function splitFailedBatches<I, R>(
  run: BatcherOptions<I, R>["run"],
  mayBePoison: (error: unknown) => boolean = isOfAnItem,
): BatcherOptions<I, R>["run"] {
  const runHalves = async (items: readonly I[], signal: AbortSignal): Promise<readonly ItemResult<R>[]> => {
    try {
      return await run(items, signal);
    } catch (error) {
      if (signal.aborted || items.length < 2 || !mayBePoison(error)) return items.map(() => ({ error }));
      const middle = items.length >> 1;
      const first = await runHalves(items.slice(0, middle), signal);
      crashPoint("between-halves");
      return [...first, ...(await runHalves(items.slice(middle), signal))];
    }
  };
  return runHalves;
}

const ofNoItem: ReadonlySet<string> = new Set(["unavailable", "exhausted", "timeout", "cancelled"]);

function isOfAnItem(error: unknown): boolean {
  return !isAppError(error) || !ofNoItem.has(error.kind);
}
