import { type Database, isUniqueViolation } from "@shoal/storage";
import type { Kysely } from "kysely";
import { CollisionError, type InventoryStore, type InventoryTransaction } from "../domain/inventory-store.ts";
import type { Reservation } from "../domain/reservation.ts";
import {
  adjustmentFromRow,
  adjustmentToRow,
  linesToRows,
  productToRow,
  reservationFromRows,
  reservationToRow,
  stockedFromRow,
  stockedToRow,
} from "./rows.ts";
import type { InventoryTables } from "./tables.ts";

/** Products, stock and reservations in SQL. The caller closes the database. */
export function createSqlInventoryStore(database: Database<InventoryTables>): InventoryStore {
  const { db, engine } = database;
  return {
    find: async (skus) => {
      if (skus.length === 0) return [];
      return (await db.selectFrom("products").selectAll().where("sku", "in", skus).execute()).map(stockedFromRow);
    },

    list: async (after, limit) => {
      const page = db.selectFrom("products").selectAll().where("sku", ">", after).orderBy("sku").limit(limit);
      return (await page.execute()).map((row) => stockedFromRow(row).product);
    },

    replace: async (product, version) => {
      const { sku, ...columns } = productToRow(product);
      const { numUpdatedRows } = await db
        .updateTable("products")
        .set(columns)
        .where("sku", "=", sku)
        .where("version", "=", version)
        .executeTakeFirstOrThrow();
      return numUpdatedRows === 1n;
    },

    findReservation: async (id) => (await readReservations(db, [id]))[0],

    findOverdue: async (nowMs, limit) => {
      const overdue = db
        .selectFrom("reservations")
        .select("id")
        .where("status", "=", "held")
        .where("expires_at_ms", "<=", BigInt(nowMs))
        .orderBy("expires_at_ms")
        .limit(limit);
      return (await overdue.execute()).map(({ id }) => id);
    },

    transaction: (work) => database.transaction((tx) => work(createTransaction(tx, engine))),
  };
}

function createTransaction(tx: Kysely<InventoryTables>, engine: Database<unknown>["engine"]): InventoryTransaction {
  /** SQLite has no row locks and needs none: a transaction holds the lock on the whole database. */
  const locksRows = engine === "mysql";
  return {
    lock: async (skus) => {
      if (skus.length === 0) return new Map();
      const rows = tx
        .selectFrom("products")
        .selectAll()
        .where("sku", "in", skus)
        .orderBy("sku")
        .$if(locksRows, (query) => query.forUpdate());
      return new Map((await rows.execute()).map((row) => [row.sku, stockedFromRow(row)]));
    },

    lockReservations: (ids) => readReservations(tx, ids, locksRows),

    findReservation: async (id) => (await readReservations(tx, [id]))[0],

    insert: async (products) => {
      if (products.length === 0) return;
      await colliding(tx.insertInto("products").values(products.map(stockedToRow)).execute());
    },

    replace: async (product) => {
      const { sku, ...columns } = productToRow(product);
      await tx.updateTable("products").set(columns).where("sku", "=", sku).execute();
    },

    move: async (moves) => {
      // In the order in which everybody else locks them.
      for (const { sku, available = 0, held = 0, sold = 0 } of moves.toSorted((a, b) => (a.sku < b.sku ? -1 : 1))) {
        const { numUpdatedRows } = await tx
          .updateTable("products")
          .set(({ eb }) => ({
            available: eb("available", "+", BigInt(available)),
            held: eb("held", "+", BigInt(held)),
            sold: eb("sold", "+", BigInt(sold)),
          }))
          .where("sku", "=", sku)
          .executeTakeFirstOrThrow();
        if (numUpdatedRows !== 1n) throw new Error(`there is no stock of ${sku} to move`);
      }
    },

    findAdjustments: async (source, ids) => {
      if (ids.length === 0) return [];
      const rows = tx.selectFrom("adjustments").selectAll().where("source", "=", source).where("id", "in", ids);
      return (await rows.execute()).map(adjustmentFromRow);
    },

    insertAdjustments: async (adjustments) => {
      if (adjustments.length === 0) return;
      await colliding(tx.insertInto("adjustments").values(adjustments.map(adjustmentToRow)).execute());
    },

    insertReservation: async (reservation) => {
      await colliding(tx.insertInto("reservations").values(reservationToRow(reservation)).execute());
      await tx.insertInto("reservation_lines").values(linesToRows(reservation)).execute();
    },

    setStatus: async (ids, status) => {
      await tx.updateTable("reservations").set({ status }).where("id", "in", ids).execute();
    },
  };
}

async function readReservations(
  db: Kysely<InventoryTables>,
  ids: readonly string[],
  forUpdate = false,
): Promise<readonly Reservation[]> {
  if (ids.length === 0) return [];
  const reservations = await db
    .selectFrom("reservations")
    .selectAll()
    .where("id", "in", ids)
    .orderBy("id")
    .$if(forUpdate, (query) => query.forUpdate())
    .execute();
  // Lines are written once, with their reservation, so they need no lock of their own.
  const lines = await db
    .selectFrom("reservation_lines")
    .selectAll()
    .where("reservation_id", "in", ids)
    .orderBy("reservation_id")
    .orderBy("position")
    .execute();
  const byReservation = Map.groupBy(lines, (line) => line.reservation_id);
  return reservations.map((row) => reservationFromRows(row, byReservation.get(row.id) ?? []));
}

async function colliding(insert: Promise<unknown>): Promise<void> {
  try {
    await insert;
  } catch (error) {
    throw isUniqueViolation(error) ? new CollisionError("a row with that key exists", { cause: error }) : error;
  }
}
