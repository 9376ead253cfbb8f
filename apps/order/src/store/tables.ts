import type { IdempotencyTables, OutboxTables } from "@shoal/storage";

/** The tables of the order service. */
export interface OrderTables extends OutboxTables, IdempotencyTables {
  orders: {
    id: string;
    user_id: string;
    status: string;
    intent: string | null;
    payment_reference: string | null;
    total_minor_units: bigint;
    currency: string;
    expires_at_ms: bigint;
    settle_at_ms: bigint;
    created_at_ms: bigint;
    updated_at_ms: bigint;
  };
  order_lines: {
    order_id: string;
    position: number;
    sku: string;
    quantity: number;
    unit_price_minor_units: bigint;
  };
}
