import type { Clock } from "@shoal/kernel";
import { appendEvents, type Database, isUniqueViolation } from "@shoal/storage";
import { type Kysely, sql, type Transaction } from "kysely";
import { CollisionError, type InventoryStore, type InventoryTransaction } from "../domain/inventory-store.ts";
import type { Reservation } from "../domain/reservation.ts";
import type { StockMove } from "../domain/stock.ts";
import { BusyProducts } from "./busy-products.ts";
import {
  adjustmentFromRow,
  adjustmentToRow,
  fenced,
  linesToRows,
  productToRow,
  reservationFromRows,
  reservationToRow,
  stockEvent,
  stockedFromRow,
  stockedToRow,
} from "./rows.ts";
import type { InventoryTables } from "./tables.ts";

/** Products, stock and reservations in SQL; `onCommit` is told of each transaction that may have published something. The caller closes the database. */
export function createSqlInventoryStore(
  database: Database<InventoryTables>,
  clock: Clock,
  onCommit: () => void = () => {},
): InventoryStore {
  const { db, engine } = database;
  const busy = new BusyProducts();
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

    deleteFences: async (nowMs, limit) => {
      const past = db
        .selectFrom("reservations")
        .select("id")
        .where("status", "=", fenced)
        .where("expires_at_ms", "<=", BigInt(nowMs))
        .limit(limit);
      const ids = (await past.execute()).map(({ id }) => id);
      if (ids.length > 0) await db.deleteFrom("reservations").where("id", "in", ids).execute();
      return ids.length;
    },

    transaction: async (work) => {
      const wanted = new Set<string>();
      const before = async (tx: Transaction<InventoryTables>, skus: readonly string[]) => {
        await busy.refuse(tx, skus);
        for (const sku of skus) wanted.add(sku);
      };
      try {
        const result = await database.transaction((tx) =>
          work(createTransaction(tx, engine, clock, (skus) => before(tx, skus))),
        );
        onCommit();
        return result;
      } catch (error) {
        throw await busy.explain(db, [...wanted], error);
      }
    },
  };
}

function createTransaction(
  tx: Transaction<InventoryTables>,
  engine: Database<unknown>["engine"],
  clock: Clock,
  beforeLock: (skus: readonly string[]) => Promise<void>,
): InventoryTransaction {
  /** SQLite has no row locks and needs none: a transaction holds the lock on the whole database. */
  const locksRows = engine === "mysql";
  return {
    lock: async (skus) => {
      if (skus.length === 0) return new Map();
      await beforeLock(skus);
      const rows = tx
        .selectFrom("products")
        .selectAll()
        .where("sku", "in", skus)
        .orderBy("sku")
        .$if(locksRows, (query) => query.forUpdate());
      return new Map((await rows.execute()).map((row) => [row.sku, stockedFromRow(row)]));
    },

    lockReservations: (ids) => readReservations(tx, ids, locksRows),

    findReservations: (ids) => readReservations(tx, ids),

    insert: async (products) => {
      if (products.length === 0) return;
      await colliding(tx.insertInto("products").values(products.map(stockedToRow)).execute());
    },

    replace: async (product) => {
      const { sku, ...columns } = productToRow(product);
      await tx.updateTable("products").set(columns).where("sku", "=", sku).execute();
    },

    move: async (moves) => {
      await beforeLock(moves.map(({ sku }) => sku));
      for (const some of chunked(moves.toSorted((a, b) => (a.sku < b.sku ? -1 : 1))))
        await moveSome(tx, some, clock.now());
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

    insertReservations: async (reservations) => {
      if (reservations.length === 0) return;
      await colliding(tx.insertInto("reservations").values(reservations.map(reservationToRow)).execute());
      const lines = reservations.flatMap(linesToRows);
      if (lines.length > 0) await tx.insertInto("reservation_lines").values(lines).execute();
    },

    setStatus: async (ids, status) => {
      await tx.updateTable("reservations").set({ status }).where("id", "in", ids).execute();
    },
  };
}

/** SKUs whose levels are moved by one statement. */
const movedAtOnce = 100;

function* chunked<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += movedAtOnce) yield items.slice(from, from + movedAtOnce);
}

async function moveSome(tx: Transaction<InventoryTables>, moves: readonly StockMove[], nowMs: number): Promise<void> {
  const skus = moves.map(({ sku }) => sku);
  const moved = (column: "available" | "held" | "sold") => {
    const changes = moves.filter((move) => (move[column] ?? 0) !== 0);
    const cases = changes.map((move) => sql`when ${move.sku} then ${BigInt(move[column] ?? 0)}`);
    return changes.length === 0
      ? sql<bigint>`${sql.ref(column)}`
      : sql<bigint>`${sql.ref(column)} + case sku ${sql.join(cases, sql` `)} else 0 end`;
  };
  const { numUpdatedRows } = await tx
    .updateTable("products")
    .set({
      available: moved("available"),
      held: moved("held"),
      sold: moved("sold"),
      stock_version: sql<number>`stock_version + 1`,
    })
    .where("sku", "in", skus)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows !== BigInt(skus.length)) throw new Error(`there is no stock of some of ${skus} to move`);
  const levels = await tx
    .selectFrom("products")
    .select(["sku", "available", "held", "sold", "stock_version"])
    .where("sku", "in", skus)
    .execute();
  await appendEvents(
    tx,
    levels.map((level) => stockEvent(level, nowMs)),
  );
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
