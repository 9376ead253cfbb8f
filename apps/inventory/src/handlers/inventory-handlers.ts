import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { implement } from "@shoal/rpc";
import type { Catalogue } from "../domain/catalogue.ts";
import type { Reservations } from "../domain/reservations.ts";
import type { StockChanges } from "../domain/stock.ts";
import type { StockKeeping } from "../domain/stock-keeping.ts";
import { productHandlers } from "./product-handlers.ts";
import { type Reserve, reservationHandlers } from "./reservation-handlers.ts";
import { stockHandlers } from "./stock-handlers.ts";

/** What InventoryService is made of. */
export interface InventoryParts {
  readonly catalogue: Catalogue;
  readonly stock: StockKeeping;
  readonly reservations: Reservations;
  readonly reserve: Reserve;
  readonly changes: StockChanges;
  /** Told of what fails unexpectedly within a batch, where nobody else hears of it. */
  readonly onFault: (error: unknown) => void;
}

/** InventoryService on the domain's use cases. */
export function inventoryHandlers({ catalogue, stock, reservations, reserve, changes, onFault }: InventoryParts) {
  return implement(InventoryService, {
    ...productHandlers(catalogue),
    ...stockHandlers(stock, changes),
    ...reservationHandlers(reservations, reserve, onFault),
  });
}
