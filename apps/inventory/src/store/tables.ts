import type { OutboxTables } from "@shoal/storage";

/** The tables of the inventory service. */
export interface InventoryTables extends OutboxTables {
  products: {
    sku: string;
    name: string;
    description: string;
    price_minor_units: bigint;
    currency: string;
    version: number;
    created_at_ms: bigint;
    updated_at_ms: bigint;
    available: bigint;
    held: bigint;
    sold: bigint;
    /** How often its levels have changed: the version of the next event, less one. */
    stock_version: number;
  };
  adjustments: {
    source: string;
    id: string;
    sku: string;
    delta: number;
    reason: string;
    created_at_ms: bigint;
  };
  reservations: {
    id: string;
    status: string;
    total_minor_units: bigint;
    currency: string;
    expires_at_ms: bigint;
    created_at_ms: bigint;
  };
  reservation_lines: {
    reservation_id: string;
    position: number;
    sku: string;
    quantity: number;
    unit_price_minor_units: bigint;
  };
}
