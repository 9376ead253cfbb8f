import type { OutboxEvent } from "@shoal/storage";
import type { StockedProduct } from "../domain/inventory-store.ts";
import type { Product } from "../domain/product.ts";
import { isFence, type Reservation } from "../domain/reservation.ts";
import type { Adjustment, StockLevel } from "../domain/stock.ts";
import type { InventoryTables } from "./tables.ts";

/** The status of a reservation that was released before it was made, in its row only: they are found by it. */
export const fenced = "fenced";

type Row<T extends keyof InventoryTables> = InventoryTables[T];

/** The columns of a product that its stock does not share. */
export function productToRow(product: Product): Omit<Row<"products">, "available" | "held" | "sold" | "stock_version"> {
  return {
    sku: product.sku,
    name: product.name,
    description: product.description,
    price_minor_units: product.price.minorUnits,
    currency: product.price.currency,
    version: product.version,
    created_at_ms: BigInt(product.createdAtMs),
    updated_at_ms: BigInt(product.updatedAtMs),
  };
}

/** A product's whole row. */
export function stockedToRow({ product, stock }: StockedProduct): Row<"products"> {
  return {
    ...productToRow(product),
    available: BigInt(stock.available),
    held: BigInt(stock.held),
    sold: BigInt(stock.sold),
    stock_version: stock.version,
  };
}

/** The product and the stock of a row. */
export function stockedFromRow(row: Row<"products">): StockedProduct {
  return {
    product: {
      sku: row.sku,
      name: row.name,
      description: row.description,
      price: { minorUnits: row.price_minor_units, currency: row.currency },
      version: row.version,
      createdAtMs: Number(row.created_at_ms),
      updatedAtMs: Number(row.updated_at_ms),
    },
    stock: {
      sku: row.sku,
      available: Number(row.available),
      held: Number(row.held),
      sold: Number(row.sold),
      version: row.stock_version,
    },
  };
}

/** An adjustment as a row. */
export function adjustmentToRow({ createdAtMs, ...adjustment }: Adjustment): Row<"adjustments"> {
  return { ...adjustment, created_at_ms: BigInt(createdAtMs) };
}

/** A row as an adjustment. */
export function adjustmentFromRow({ created_at_ms, ...row }: Row<"adjustments">): Adjustment {
  return { ...row, source: row.source as Adjustment["source"], createdAtMs: Number(created_at_ms) };
}

/** A reservation's own row. */
export function reservationToRow(reservation: Reservation): Row<"reservations"> {
  return {
    id: reservation.id,
    status: isFence(reservation) ? fenced : reservation.status,
    total_minor_units: reservation.total.minorUnits,
    currency: reservation.total.currency,
    expires_at_ms: BigInt(reservation.expiresAtMs),
    created_at_ms: BigInt(reservation.createdAtMs),
  };
}

/** The rows of a reservation's lines. */
export function linesToRows({ id, lines }: Reservation): readonly Row<"reservation_lines">[] {
  return lines.map(({ sku, quantity, unitPrice }, position) => ({
    reservation_id: id,
    position,
    sku,
    quantity,
    unit_price_minor_units: unitPrice.minorUnits,
  }));
}

/** A reservation from its row and, in order of position, those of its lines. */
export function reservationFromRows(row: Row<"reservations">, lines: readonly Row<"reservation_lines">[]): Reservation {
  const { currency } = row;
  return {
    id: row.id,
    status: row.status === fenced ? "released" : (row.status as Reservation["status"]),
    lines: lines.map(({ sku, quantity, unit_price_minor_units }) => ({
      sku,
      quantity,
      unitPrice: { minorUnits: unit_price_minor_units, currency },
    })),
    total: { minorUnits: row.total_minor_units, currency },
    expiresAtMs: Number(row.expires_at_ms),
    createdAtMs: Number(row.created_at_ms),
  };
}

/** The topic of {@link stockEvent}. */
export const stockTopic = "stock";

/** The levels of a product after a change, as an event of that product. */
export function stockEvent({ sku, available, held, sold, version }: StockLevel, atMs: number): OutboxEvent {
  return { topic: stockTopic, key: sku, version, payload: JSON.stringify([available, held, sold]), atMs };
}

/** The levels that a {@link stockEvent} tells. */
export function stockFromEvent({ key, version, payload }: OutboxEvent): StockLevel {
  const [available, held, sold] = JSON.parse(payload) as [number, number, number];
  return { sku: key, available, held, sold, version };
}
