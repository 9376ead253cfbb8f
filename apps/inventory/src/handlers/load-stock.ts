import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type LoadStockLine,
  LoadStockLineSchema,
  type LoadStockRequest,
  type LoadStockResponseSchema,
  type RejectedLineSchema,
} from "@shoal/contracts/inventory/v1/inventory_service";
import { AppError, isAppError } from "@shoal/kernel";
import { requireValid } from "@shoal/rpc";
import { domain } from "../domain/product.ts";
import type { LoadLine, StockKeeping } from "../domain/stock-keeping.ts";
import { moneyFromMessage } from "./messages.ts";

/** Lines that are loaded in one transaction. */
const batchSize = 100;

/** Rejected lines that the summary lists. */
const maxListed = 1_000;

/** Lines of one load; their SKUs are remembered while it is read. */
const maxLoadLines = 1_000_000;

/** Characters of a rejected line's SKU that are answered. */
const maxSkuLength = 64;

/** Reads a whole load of up to `maxLines`, batch by batch, and sums up what became of its lines. */
export async function loadStock(
  stock: StockKeeping,
  requests: AsyncIterable<LoadStockRequest>,
  maxLines = maxLoadLines,
): Promise<MessageInitShape<typeof LoadStockResponseSchema>> {
  const counts = { received: 0n, created: 0n, updated: 0n, unchanged: 0n, rejected: 0n };
  const rejectedLines: MessageInitShape<typeof RejectedLineSchema>[] = [];
  const reject = (lineNumber: bigint, sku: string, reason: string, message: string) => {
    counts.rejected += 1n;
    if (rejectedLines.length < maxListed)
      rejectedLines.push({ lineNumber, sku: firstCharacters(sku, maxSkuLength), reason, message });
  };

  const seen = new Set<string>();
  let loadId: string | undefined;
  let batch: { readonly lineNumber: bigint; readonly line: LoadLine }[] = [];
  const flush = async () => {
    if (loadId === undefined || batch.length === 0) return;
    const lines = batch;
    batch = [];
    const outcomes = await stock.load(
      loadId,
      lines.map(({ line }) => line),
    );
    for (const [index, { lineNumber, line }] of lines.entries()) {
      const outcome = outcomes[index];
      if (outcome?.kind === "rejected") reject(lineNumber, line.sku, outcome.reason, outcome.message);
      else if (outcome !== undefined) counts[outcome.kind] += 1n;
    }
  };

  /** Ends the load; the lines before are loaded all the same. */
  const refuse = async (error: AppError): Promise<never> => {
    await flush();
    throw error;
  };

  for await (const request of requests) {
    loadId ??= request.loadId;
    if (request.loadId !== loadId) await refuse(loadIdChanged(loadId));
    if (counts.received >= maxLines) await refuse(loadTooLarge(maxLines));
    counts.received += 1n;
    const line = request.line ?? create(LoadStockLineSchema);
    const problem = problemOf(line);
    if (problem !== undefined) reject(counts.received, line.sku, "INVALID_LINE", problem);
    else if (seen.has(line.sku))
      reject(counts.received, line.sku, "DUPLICATE_LINE", "this SKU stands on an earlier line");
    else {
      seen.add(line.sku);
      batch.push({ lineNumber: counts.received, line: toLoadLine(line) });
    }
    if (batch.length === batchSize) await flush();
  }
  await flush();
  return {
    ...counts,
    rejectedLines: rejectedLines.sort((a, b) => Number((a.lineNumber ?? 0n) - (b.lineNumber ?? 0n))),
  };
}

/** The first `count` characters of a text, none of them cut in two. */
function firstCharacters(text: string, count: number): string {
  // A character is one or two units of a JavaScript string.
  return [...text.slice(0, 2 * count)].slice(0, count).join("");
}

/** What the contract's rules have against a line. */
function problemOf(line: LoadStockLine): string | undefined {
  try {
    requireValid(LoadStockLineSchema, line, domain);
    return undefined;
  } catch (error) {
    if (isAppError(error, "INVALID_REQUEST")) return error.message;
    throw error;
  }
}

function toLoadLine({ sku, name, description, price, quantity }: LoadStockLine): LoadLine {
  return { sku, name, description, price: moneyFromMessage(price), quantity };
}

function loadIdChanged(loadId: string): AppError {
  const description = `must be the same on every message of a load; it was ${loadId}`;
  return new AppError({
    kind: "invalid",
    reason: "LOAD_ID_CHANGED",
    domain,
    message: `load_id: ${description}; the lines before this one are loaded`,
    violations: [{ field: "load_id", description }],
  });
}

function loadTooLarge(maxLines: number): AppError {
  const description = `a load has at most ${maxLines} lines; bring the others under another load id`;
  return new AppError({
    kind: "invalid",
    reason: "LOAD_TOO_LARGE",
    domain,
    message: `line: ${description}; the lines before this one are loaded`,
    violations: [{ field: "line", description }],
  });
}
