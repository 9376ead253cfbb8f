import { AppError } from "@shoal/kernel";
import { domain, type Product } from "./product.ts";
import type { Reservation } from "./reservation.ts";
import type { Adjustment, StockLevel, StockMove } from "./stock.ts";

/** A product and its stock, which live and are locked together. */
export interface StockedProduct {
  readonly product: Product;
  readonly stock: StockLevel;
}

/** A row with that key exists, perhaps added at this very moment. The transaction must end. */
export class CollisionError extends Error {
  override readonly name = "CollisionError";
}

/**
 * ABORTED: somebody else keeps products locked, for longer than is worth waiting for. The transaction must end. Not
 * UNAVAILABLE: the service is well, and breakers must not keep callers of other products from it.
 */
export class ProductsBusyError extends AppError {
  readonly skus: ReadonlySet<string>;

  constructor(skus: readonly string[], cause?: unknown) {
    super({
      kind: "stale",
      reason: "PRODUCTS_BUSY",
      domain,
      message: `the stock of ${skus.join(", ")} is being changed by somebody else; try again later`,
      cause,
    });
    this.skus = new Set(skus);
  }
}

/** Where products, stock and reservations are kept. */
export interface InventoryStore {
  /** The products that exist of `skus`, in no order. */
  find(skus: readonly string[]): Promise<readonly StockedProduct[]>;
  /** Up to `limit` products with SKUs after `after`, by SKU. */
  list(after: string, limit: number): Promise<readonly Product[]>;
  /** Replaces the product, not its stock, if it is at `version`; false if it is not. */
  replace(product: Product, version: number): Promise<boolean>;
  /** The reservation with that id. */
  findReservation(id: string): Promise<Reservation | undefined>;
  /** Ids of up to `limit` holds that expired at `nowMs` or before, after the `skip` that expired first, by that time. */
  findOverdue(nowMs: number, limit: number, skip: number): Promise<readonly string[]>;
  /** Deletes up to `limit` fences whose time has passed at `nowMs`; answers how many. */
  deleteFences(nowMs: number, limit: number): Promise<number>;
  /**
   * Runs `work` in one transaction: all or nothing. It may be run more than once, so it must have no effect but
   * through `tx`. Throws a {@link ProductsBusyError} where it cannot lock a product within a second, and whoever comes
   * next gets it at once.
   */
  transaction<T>(work: (tx: InventoryTransaction) => Promise<T>): Promise<T>;
}

/**
 * One transaction. To stay free of deadlocks, a transaction locks reservations before products, both in one call,
 * and reads what it decides by only after it has locked.
 */
export interface InventoryTransaction {
  /** The products that exist of `skus`, by SKU; nobody else changes them until the transaction ends. */
  lock(skus: readonly string[]): Promise<ReadonlyMap<string, StockedProduct>>;
  /** The reservations that exist of `ids`, likewise. */
  lockReservations(ids: readonly string[]): Promise<readonly Reservation[]>;
  /** The reservations that exist of `ids`, without a lock. */
  findReservations(ids: readonly string[]): Promise<readonly Reservation[]>;
  /** Adds products with their stock. Throws a {@link CollisionError} when one of the SKUs exists. */
  insert(products: readonly StockedProduct[]): Promise<void>;
  /** Replaces a product that is locked, not its stock. */
  replace(product: Product): Promise<void>;
  /**
   * Adds the figures to the levels of products that are locked, each SKU once, and publishes the levels as they are then
   * when the transaction commits. Throws if one would fall below 0.
   */
  move(moves: readonly StockMove[]): Promise<void>;
  /** The adjustments that exist with that source and one of `ids`. */
  findAdjustments(source: Adjustment["source"], ids: readonly string[]): Promise<readonly Adjustment[]>;
  /** Records adjustments. Throws a {@link CollisionError} when one exists. */
  insertAdjustments(adjustments: readonly Adjustment[]): Promise<void>;
  /** Adds reservations. Throws a {@link CollisionError} when the id of one exists. */
  insertReservations(reservations: readonly Reservation[]): Promise<void>;
  /** Sets the status of reservations that are locked. */
  setStatus(ids: readonly string[], status: Reservation["status"]): Promise<void>;
}
