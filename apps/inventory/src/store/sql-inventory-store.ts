import type { Clock } from "@shoal/kernel";
import { appendEvents, type Database, insertRows, isUniqueViolation } from "@shoal/storage";
import { type Kysely, sql, type Transaction } from "kysely";
import { CollisionError, type InventoryStore, type InventoryTransaction } from "../domain/inventory-store.ts";
import type { Reservation } from "../domain/reservation.ts";
import type { StockLevel, StockMove } from "../domain/stock.ts";
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
  const busy = new BusyProducts(database);
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

    findOverdue: async (nowMs, limit, skip) => {
      const overdue = db
        .selectFrom("reservations")
        .select("id")
        .where("status", "=", "held")
        .where("expires_at_ms", "<=", BigInt(nowMs))
        .orderBy("expires_at_ms")
        .limit(limit)
        .offset(skip);
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
      if (ids.length === 0) return 0;
      // Another instance may have deleted one since, and a request that came late have made the reservation.
      await db
        .deleteFrom("reservations")
        .where("id", "in", ids)
        .where("status", "=", fenced)
        .where("expires_at_ms", "<=", BigInt(nowMs))
        .execute();
      return ids.length;
    },

    transaction: async (work) => {
      const wanted = new Set<string>();
      const beforeLock = (skus: readonly string[]) => {
        busy.refuse(skus);
        for (const sku of skus) wanted.add(sku);
      };
      try {
        const result = await database.transaction((tx) => work(createTransaction(tx, engine, clock, beforeLock)));
        onCommit();
        return result;
      } catch (error) {
        throw await busy.explain([...wanted], error);
      }
    },
  };
}

function createTransaction(
  tx: Transaction<InventoryTables>,
  engine: Database<unknown>["engine"],
  clock: Clock,
  beforeLock: (skus: readonly string[]) => void,
): InventoryTransaction {
  /** SQLite has no row locks and needs none: a transaction holds the lock on the whole database. */
  const locksRows = engine === "mysql";
  const locked = new Map<string, StockLevel>();
  return {
    lock: async (skus) => {
      if (skus.length === 0) return new Map();
      beforeLock(skus);
      const rows = tx
        .selectFrom("products")
        .selectAll()
        .where("sku", "in", skus)
        .orderBy("sku")
        .$if(locksRows, (query) => query.forUpdate());
      const found = new Map((await rows.execute()).map((row) => [row.sku, stockedFromRow(row)]));
      for (const { stock } of found.values()) locked.set(stock.sku, stock);
      return found;
    },

    lockReservations: (ids) => readReservations(tx, ids, locksRows),

    findReservations: (ids) => readReservations(tx, ids),

    insert: async (products) => {
      await colliding(insertRows(tx, "products", products.map(stockedToRow)));
    },

    replace: async (product) => {
      const { sku, ...columns } = productToRow(product);
      await tx.updateTable("products").set(columns).where("sku", "=", sku).execute();
    },

    move: async (moves) => {
      for (const some of chunked(moves.toSorted((a, b) => (a.sku < b.sku ? -1 : 1))))
        await moveSome(tx, locked, some, clock.now());
    },

    findAdjustments: async (source, ids) => {
      if (ids.length === 0) return [];
      const rows = tx.selectFrom("adjustments").selectAll().where("source", "=", source).where("id", "in", ids);
      return (await rows.execute()).map(adjustmentFromRow);
    },

    insertAdjustments: async (adjustments) => {
      await colliding(insertRows(tx, "adjustments", adjustments.map(adjustmentToRow)));
    },

    insertReservations: async (reservations) => {
      await colliding(insertRows(tx, "reservations", reservations.map(reservationToRow)));
      await insertRows(tx, "reservation_lines", reservations.flatMap(linesToRows));
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

/** Moves levels, and keeps in `locked` what they are then. */
async function moveSome(
  tx: Transaction<InventoryTables>,
  locked: Map<string, StockLevel>,
  moves: readonly StockMove[],
  nowMs: number,
): Promise<void> {
  const levels = moves.map((move) => {
    const level = locked.get(move.sku);
    if (level === undefined) throw new Error(`there is no stock of ${move.sku} that is locked`);
    return moved(level, move);
  });
  const levelsOf = (figure: (level: StockLevel) => number | bigint) =>
    sql<never>`case sku ${sql.join(
      levels.map((level) => sql`when ${level.sku} then ${figure(level)}`),
      sql` `,
    )} end`;
  await tx
    .updateTable("products")
    .set({
      available: levelsOf(({ available }) => BigInt(available)),
      held: levelsOf(({ held }) => BigInt(held)),
      sold: levelsOf(({ sold }) => BigInt(sold)),
      stock_version: levelsOf(({ version }) => version),
    })
    .where(
      "sku",
      "in",
      levels.map(({ sku }) => sku),
    )
    .execute();
  await appendEvents(
    tx,
    levels.map((level) => stockEvent(level, nowMs)),
  );
  for (const level of levels) locked.set(level.sku, level);
}

function moved({ sku, available, held, sold, version }: StockLevel, move: StockMove): StockLevel {
  return {
    sku,
    available: available + (move.available ?? 0),
    held: held + (move.held ?? 0),
    sold: sold + (move.sold ?? 0),
    version: version + 1,
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
  if (reservations.length === 0) return [];
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
