import { type Database, isUniqueViolation } from "@shoal/storage";
import { type Kysely, type Selectable, sql } from "kysely";
import type { Intent, Order, OrderStatus } from "../domain/order.ts";
import type { OrderStore } from "../domain/ports.ts";

/** The tables of the order service. */
export interface OrderTables {
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

/** Orders in SQL. The caller closes the database. */
export function createSqlOrderStore(database: Database<OrderTables>): OrderStore {
  const { db } = database;
  return {
    find: async (id) => {
      const rows = await db.selectFrom("orders").selectAll().where("id", "=", id).execute();
      return (await withLines(db, rows))[0];
    },

    insert: async (order) => {
      try {
        await database.transaction(async (tx) => {
          await tx.insertInto("orders").values(toRow(order)).execute();
          await tx.insertInto("order_lines").values(toLineRows(order)).execute();
        });
        return true;
      } catch (error) {
        if (isUniqueViolation(error)) return false;
        throw error;
      }
    },

    list: async (userId, before, limit) => {
      let page = db
        .selectFrom("orders")
        .selectAll()
        .where("user_id", "=", userId)
        .orderBy("created_at_ms", "desc")
        .orderBy("id", "desc")
        .limit(limit);
      if (before !== undefined) {
        const createdAt = BigInt(before.createdAtMs);
        page = page.where(({ eb, or, and }) =>
          or([
            eb("created_at_ms", "<", createdAt),
            and([eb("created_at_ms", "=", createdAt), eb("id", "<", before.id)]),
          ]),
        );
      }
      return withLines(db, await page.execute());
    },

    begin: async (id, intent, paymentReference, settleAtMs) => {
      const reference = paymentReference ?? null;
      const { numUpdatedRows } = await db
        .updateTable("orders")
        .set({ intent, payment_reference: reference, settle_at_ms: BigInt(settleAtMs) })
        .where("id", "=", id)
        .where("status", "=", "placed")
        .where(({ eb, or, and }) =>
          or([
            eb("intent", "is", null),
            and([eb("intent", "=", intent), eb(sql`coalesce(payment_reference, '')`, "=", reference ?? "")]),
          ]),
        )
        .executeTakeFirstOrThrow();
      return numUpdatedRows === 1n;
    },

    end: async (id, status, nowMs) => {
      const { numUpdatedRows } = await db
        .updateTable("orders")
        .set({ status, intent: null, updated_at_ms: BigInt(nowMs) })
        .where("id", "=", id)
        .where("status", "=", "placed")
        .executeTakeFirstOrThrow();
      return numUpdatedRows === 1n;
    },

    postpone: async (id, untilMs) => {
      await db
        .updateTable("orders")
        .set({ settle_at_ms: BigInt(untilMs) })
        .where("id", "=", id)
        .where("status", "=", "placed")
        .execute();
    },

    findUnsettled: async (nowMs, limit) => {
      const due = db
        .selectFrom("orders")
        .selectAll()
        .where("status", "=", "placed")
        .where("settle_at_ms", "<=", BigInt(nowMs))
        .orderBy("settle_at_ms")
        .limit(limit);
      return withLines(db, await due.execute());
    },
  };
}

type OrderRow = Selectable<OrderTables["orders"]>;

/** Reads the lines of all of `rows` at once; answers the orders in the order of the rows. */
async function withLines(db: Kysely<OrderTables>, rows: readonly OrderRow[]): Promise<readonly Order[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const lines = await db
    .selectFrom("order_lines")
    .selectAll()
    .where("order_id", "in", ids)
    .orderBy("order_id")
    .orderBy("position")
    .execute();
  const byOrder = Map.groupBy(lines, (line) => line.order_id);
  return rows.map((row) => fromRows(row, byOrder.get(row.id) ?? []));
}

function toRow(order: Order): OrderTables["orders"] {
  return {
    id: order.id,
    user_id: order.userId,
    status: order.status,
    intent: order.intent ?? null,
    payment_reference: order.paymentReference ?? null,
    total_minor_units: order.total.minorUnits,
    currency: order.total.currency,
    expires_at_ms: BigInt(order.expiresAtMs),
    settle_at_ms: BigInt(order.settleAtMs),
    created_at_ms: BigInt(order.createdAtMs),
    updated_at_ms: BigInt(order.updatedAtMs),
  };
}

function toLineRows({ id, lines }: Order): readonly OrderTables["order_lines"][] {
  return lines.map(({ sku, quantity, unitPrice }, position) => ({
    order_id: id,
    position,
    sku,
    quantity,
    unit_price_minor_units: unitPrice.minorUnits,
  }));
}

function fromRows(row: OrderRow, lines: readonly Selectable<OrderTables["order_lines"]>[]): Order {
  const { currency } = row;
  return {
    id: row.id,
    userId: row.user_id,
    status: row.status as OrderStatus,
    intent: (row.intent ?? undefined) as Intent | undefined,
    paymentReference: row.payment_reference ?? undefined,
    lines: lines.map(({ sku, quantity, unit_price_minor_units }) => ({
      sku,
      quantity,
      unitPrice: { minorUnits: unit_price_minor_units, currency },
    })),
    total: { minorUnits: row.total_minor_units, currency },
    expiresAtMs: Number(row.expires_at_ms),
    settleAtMs: Number(row.settle_at_ms),
    createdAtMs: Number(row.created_at_ms),
    updatedAtMs: Number(row.updated_at_ms),
  };
}
