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

/** Reads a whole load, batch by batch, and sums up what became of its lines. */
export async function loadStock(
  stock: StockKeeping,
  requests: AsyncIterable<LoadStockRequest>,
): Promise<MessageInitShape<typeof LoadStockResponseSchema>> {
  const counts = { received: 0n, created: 0n, updated: 0n, unchanged: 0n, rejected: 0n };
  const rejectedLines: MessageInitShape<typeof RejectedLineSchema>[] = [];
  const reject = (lineNumber: bigint, sku: string, reason: string, message: string) => {
    counts.rejected += 1n;
    if (rejectedLines.length < maxListed) rejectedLines.push({ lineNumber, sku: sku.slice(0, 64), reason, message });
  };

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

  for await (const request of requests) {
    loadId ??= request.loadId;
    if (request.loadId !== loadId) throw loadIdChanged(loadId);
    counts.received += 1n;
    const line = request.line ?? create(LoadStockLineSchema);
    const problem = problemOf(line);
    if (problem !== undefined) reject(counts.received, line.sku, "INVALID_LINE", problem);
    else batch.push({ lineNumber: counts.received, line: toLoadLine(line) });
    if (batch.length === batchSize) await flush();
  }
  await flush();
  return {
    ...counts,
    rejectedLines: rejectedLines.sort((a, b) => Number((a.lineNumber ?? 0n) - (b.lineNumber ?? 0n))),
  };
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
