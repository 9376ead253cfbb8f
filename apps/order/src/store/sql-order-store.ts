import { crashPoint } from "@shoal/kernel";
import {
  appendEvents,
  type Database,
  findRecords,
  type IdempotencyRecord,
  insertRecords,
  insertRows,
  isUniqueViolation,
  pruneRecords,
} from "@shoal/storage";
import { type Kysely, type Selectable, sql } from "kysely";
import { fingerprintOf, type Intent, type Order, type OrderStatus } from "../domain/order.ts";
import type { FirstAnswer, OrderStore } from "../domain/ports.ts";
import { orderEvent } from "./order-events.ts";
import { errorFromText, errorToText } from "./refusals.ts";
import type { OrderTables } from "./tables.ts";

/** The part of {@link OrderStore} that answers requests, for many at once: see `batched-order-store.ts`. */
export interface AnswerStore {
  /** How the requests of those order ids were answered first, as far as they were, by id. */
  findFirst(ids: readonly string[]): Promise<ReadonlyMap<string, FirstAnswer>>;
  /**
   * Keeps first answers, all or none: orders with their lines, published, and refusals. False, and nothing changes, when
   * one of the requests has been answered.
   */
  answer(answers: readonly FirstAnswer[]): Promise<boolean>;
}

/** Orders in SQL; `onCommit` is told of each transaction that has published something. The caller closes the database. */
export function createSqlOrderStore(
  database: Database<OrderTables>,
  onCommit: () => void = () => {},
): Omit<OrderStore, "findFirst" | "insert" | "refuse"> & AnswerStore {
  const { db } = database;
  const findAll = async (ids: readonly string[]) => {
    if (ids.length === 0) return [];
    return withLines(db, await db.selectFrom("orders").selectAll().where("id", "in", ids).execute());
  };
  return {
    find: async (id) => (await findAll([id]))[0],

    findAll,

    findFirst: async (ids) => {
      const orders = db.selectFrom("orders").select("id").where("id", "in", ids);
      const refused = db.selectFrom("idempotency_records").select("id").where("id", "in", ids);
      const known = (await orders.union(refused).execute()).map(({ id }) => id);
      if (known.length === 0) return new Map();
      const answers = new Map<string, FirstAnswer>();
      for (const { id, fingerprint, error, atMs } of await findRecords(db, known))
        if (error !== undefined) answers.set(id, { refusal: { id, fingerprint, error: errorFromText(error), atMs } });
      for (const order of await findAll(known)) answers.set(order.id, { order });
      return answers;
    },

    answer: async (answers) => {
      try {
        await database.transaction(async (tx) => {
          await insertRecords(tx, answers.map(toRecord));
          const orders = answers.flatMap((answer) => ("order" in answer ? [answer.order] : []));
          if (orders.length === 0) return;
          await insertRows(tx, "orders", orders.map(toRow));
          crashPoint("mid-answers");
          await insertRows(tx, "order_lines", orders.flatMap(toLineRows));
          await appendEvents(
            tx,
            orders.map((order) => orderEvent(order, order.createdAtMs)),
          );
        });
      } catch (error) {
        if (isUniqueViolation(error)) return false;
        throw error;
      }
      onCommit();
      return true;
    },

    forgetAnswers: (beforeMs, limit) => pruneRecords(database, { beforeMs, limit }),

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
      const ended = await database.transaction(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable("orders")
          .set({ status, intent: null, updated_at_ms: BigInt(nowMs) })
          .where("id", "=", id)
          .where("status", "=", "placed")
          .executeTakeFirstOrThrow();
        if (numUpdatedRows !== 1n) return false;
        const { user_id } = await tx
          .selectFrom("orders")
          .select("user_id")
          .where("id", "=", id)
          .executeTakeFirstOrThrow();
        await appendEvents(tx, [orderEvent({ id, userId: user_id, status }, nowMs)]);
        return true;
      });
      if (ended) onCommit();
      return ended;
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

function toRecord(answer: FirstAnswer): IdempotencyRecord {
  if ("refusal" in answer) {
    const { error, ...refusal } = answer.refusal;
    return { ...refusal, error: errorToText(error) };
  }
  const { id, lines, createdAtMs } = answer.order;
  return { id, fingerprint: fingerprintOf(lines), error: undefined, atMs: createdAtMs };
}
