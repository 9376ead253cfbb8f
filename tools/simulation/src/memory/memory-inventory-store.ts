import {
  CollisionError,
  type InventoryStore,
  type InventoryTransaction,
  ProductsBusyError,
  type StockedProduct,
} from "@shoal/inventory/domain/inventory-store";
import { isFence, type Reservation } from "@shoal/inventory/domain/reservation";
import type { Adjustment, StockLevel, StockMove } from "@shoal/inventory/domain/stock";
import { stockEvent } from "@shoal/inventory/store/rows";
import { type Clock, isAppError } from "@shoal/kernel";
import { DuplicateKeyError, MemoryDatabase } from "./database.ts";
import { MemoryOutbox } from "./outbox.ts";
import type { Session, SessionTransaction } from "./session.ts";
import { Table } from "./table.ts";

/** The inventory's database. A product's row has its stock, a reservation's its lines: they are written together. */
export class InventoryDatabase extends MemoryDatabase {
  readonly products = new Table<StockedProduct>("products");
  readonly adjustments = new Table<Adjustment>("adjustments");
  readonly reservations = new Table<Reservation>("reservations");
  readonly outbox = new MemoryOutbox();
}

/** What tests turn off to see what happens then. */
export interface MemoryInventoryOptions {
  /** Whether levels below 0 are refused, as by the check constraints of the SQL tables. Default: `true`. */
  readonly checksLevels?: boolean;
  /** Whether `lock` locks. Default: `true`. */
  readonly locksProducts?: boolean;
}

/** Products, stock and reservations in memory, in as many statements as the SQL store takes. */
export function createMemoryInventoryStore(
  session: Session,
  database: InventoryDatabase,
  clock: Clock,
  options: MemoryInventoryOptions = {},
): InventoryStore {
  const { products, reservations } = database;
  return {
    find: async (skus) =>
      skus.length === 0 ? [] : await session.statement("find products", (tx) => tx.find(products, skus)),

    list: (after, limit) =>
      session.statement("list products", (tx) =>
        tx
          .scan(products, ({ product }) => product.sku > after)
          .slice(0, limit)
          .map(({ product }) => product),
      ),

    replace: (product, version) =>
      session.statement("replace a product", (tx) =>
        tx.update(products, product.sku, (row) => (row.product.version === version ? { ...row, product } : undefined)),
      ),

    findReservation: (id) => session.statement("find a reservation", (tx) => tx.find(reservations, [id])[0]),

    findOverdue: (nowMs, limit, skip) =>
      session.statement("find overdue holds", (tx) =>
        tx
          .scan(reservations, ({ status, expiresAtMs }) => status === "held" && expiresAtMs <= nowMs)
          .sort((one, other) => one.expiresAtMs - other.expiresAtMs)
          .slice(skip, skip + limit)
          .map(({ id }) => id),
      ),

    deleteFences: async (nowMs, limit) => {
      const past = await session.statement("find old fences", (tx) =>
        tx
          .scan(reservations, (row) => isFence(row) && row.expiresAtMs <= nowMs)
          .slice(0, limit)
          .map(({ id }) => id),
      );
      if (past.length > 0) await session.statement("delete old fences", (tx) => tx.delete(reservations, past));
      return past.length;
    },

    transaction: async (work) => {
      const wanted = new Set<string>();
      try {
        return await session.transaction((tx) => work(createTransaction(tx, database, clock, options, wanted)));
      } catch (error) {
        if (!isAppError(error, "DATABASE_CONTENDED") || wanted.size === 0) throw error;
        const busy = await session.statement("find locked products", (tx) => tx.taken(products, wanted));
        throw busy.length > 0 ? new ProductsBusyError(busy, error) : error;
      }
    },
  };
}

function createTransaction(
  tx: SessionTransaction,
  { products, adjustments, reservations, outbox }: InventoryDatabase,
  clock: Clock,
  { checksLevels = true, locksProducts = true }: MemoryInventoryOptions,
  wanted: Set<string>,
): InventoryTransaction {
  const insert = <R>(what: string, table: Table<R>, rows: readonly R[], keyOf: (row: R) => string): Promise<void> =>
    rows.length === 0
      ? Promise.resolve()
      : colliding(
          tx.statement(`insert ${rows.length} ${what}`, async (open) => {
            for (const row of rows) await open.insert(table, keyOf(row), row);
          }),
        );
  /** As the SQL store does: levels are what they were when they were locked, and what this transaction has made of them. */
  const locked = new Map<string, StockLevel>();
  const moved = ({ sku, available = 0, held = 0, sold = 0 }: StockMove): StockLevel => {
    const stock = locked.get(sku);
    if (stock === undefined) throw new Error(`there is no stock of ${sku} that is locked`);
    const level = {
      sku,
      available: stock.available + available,
      held: stock.held + held,
      sold: stock.sold + sold,
      version: stock.version + 1,
    };
    if (checksLevels && Math.min(level.available, level.held, level.sold) < 0)
      throw new Error(`the stock of ${sku} would fall below 0`);
    return level;
  };
  return {
    lock: async (skus) => {
      if (skus.length === 0) return new Map();
      for (const sku of skus) wanted.add(sku);
      const rows = await tx.statement(`lock ${skus.join(" ")}`, (open) =>
        locksProducts ? open.lock(products, skus) : open.find(products, skus),
      );
      for (const { stock } of rows) locked.set(stock.sku, stock);
      return new Map(rows.map((row) => [row.product.sku, row]));
    },

    lockReservations: async (ids) =>
      ids.length === 0 ? [] : await tx.statement("lock reservations", (open) => open.lock(reservations, ids)),

    findReservations: async (ids) =>
      ids.length === 0 ? [] : await tx.statement("find reservations", (open) => open.find(reservations, ids)),

    insert: (rows) => insert("products", products, rows, ({ product }) => product.sku),

    replace: async (product) => {
      await tx.statement("replace a product", (open) =>
        open.update(products, product.sku, (row) => ({ ...row, product })),
      );
    },

    move: async (moves) => {
      if (moves.length === 0) return;
      const levels = moves.toSorted((one, other) => (one.sku < other.sku ? -1 : 1)).map(moved);
      await tx.statement(`move ${levels.map(({ sku }) => sku).join(" ")}`, async (open) => {
        for (const stock of levels) await open.update(products, stock.sku, ({ product }) => ({ product, stock }));
      });
      await outbox.append(
        tx,
        levels.map((level) => stockEvent(level, clock.now())),
      );
      for (const level of levels) locked.set(level.sku, level);
    },

    findAdjustments: async (source, ids) =>
      ids.length === 0
        ? []
        : await tx.statement("find adjustments", (open) =>
            open.find(
              adjustments,
              ids.map((id) => adjustmentKey({ source, id })),
            ),
          ),

    insertAdjustments: (rows) => insert("adjustments", adjustments, rows, adjustmentKey),

    insertReservations: (rows) => insert("reservations", reservations, rows, ({ id }) => id),

    setStatus: async (ids, status) => {
      await tx.statement(`set ${ids.length} to ${status}`, async (open) => {
        for (const id of [...ids].sort()) await open.update(reservations, id, (row) => ({ ...row, status }));
      });
    },
  };
}

function adjustmentKey({ source, id }: Pick<Adjustment, "source" | "id">): string {
  return `${source}/${id}`;
}

async function colliding(insert: Promise<void>): Promise<void> {
  try {
    await insert;
  } catch (error) {
    throw error instanceof DuplicateKeyError
      ? new CollisionError("a row with that key exists", { cause: error })
      : error;
  }
}
