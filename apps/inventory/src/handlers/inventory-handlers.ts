import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { implement } from "@shoal/rpc";
import type { Catalogue } from "../domain/catalogue.ts";
import type { Reservations } from "../domain/reservations.ts";
import type { StockKeeping } from "../domain/stock-keeping.ts";
import { productHandlers } from "./product-handlers.ts";
import { reservationHandlers } from "./reservation-handlers.ts";
import { stockHandlers } from "./stock-handlers.ts";
import type { StockChanges } from "./watch-stock.ts";

/** What InventoryService is made of. */
export interface InventoryParts {
  readonly catalogue: Catalogue;
  readonly stock: StockKeeping;
  readonly reservations: Reservations;
  readonly changes: StockChanges;
}

/** InventoryService on the domain's use cases. */
export function inventoryHandlers({ catalogue, stock, reservations, changes }: InventoryParts) {
  return implement(InventoryService, {
    ...productHandlers(catalogue),
    ...stockHandlers(stock, changes),
    ...reservationHandlers(reservations),
  });
}
