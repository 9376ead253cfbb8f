import type { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import type { ServiceHandlers } from "@shoal/rpc";
import type { StockChanges } from "../domain/stock.ts";
import type { StockKeeping } from "../domain/stock-keeping.ts";
import { loadStock } from "./load-stock.ts";
import { stockToMessage } from "./messages.ts";
import { watchStock } from "./watch-stock.ts";

type StockMethods = "adjustStock" | "loadStock" | "getStock" | "watchStock";

/** The methods about stock levels. */
export function stockHandlers(
  stock: StockKeeping,
  changes: StockChanges,
): Pick<ServiceHandlers<typeof InventoryService>, StockMethods> {
  return {
    adjustStock: async ({ adjustmentId, sku, delta, reason }) => ({
      stock: stockToMessage(await stock.adjust({ id: adjustmentId, sku, delta, reason })),
    }),

    loadStock: (requests) => loadStock(stock, requests),

    getStock: async ({ skus }) => {
      const { levels, missing } = await stock.get(skus);
      return { stock: levels.map(stockToMessage), missingSkus: missing };
    },

    watchStock: (request, context) => watchStock(stock, changes, request, context),
  };
}
