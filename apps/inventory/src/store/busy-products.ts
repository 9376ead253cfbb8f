import { isAppError, outsideAnyCall } from "@shoal/kernel";
import type { Database } from "@shoal/storage";
import { ProductsBusyError } from "../domain/inventory-store.ts";
import type { InventoryTables } from "./tables.ts";

/**
 * The products that somebody else keeps locked for long: an operator's session, an instance that hangs. Nobody who finds
 * one in here waits for it, so that one connection waits, and not those whose callers want other products. That one is the
 * watch: it queues for the locks as everybody else does, so that a product which is only much in demand is soon out again.
 *
 * States: nobody waits ⇄ one watches, while there are such products. Ends by itself when the database is closed.
 */
export class BusyProducts {
  readonly #database: Database<InventoryTables>;
  readonly #skus = new Set<string>();

  constructor(database: Database<InventoryTables>) {
    this.#database = database;
  }

  /** To be asked before a transaction locks `skus`. Throws a {@link ProductsBusyError} where some of them are kept locked. */
  refuse(skus: readonly string[]): void {
    if (this.#skus.size === 0) return;
    const busy = skus.filter((sku) => this.#skus.has(sku));
    if (busy.length > 0) throw new ProductsBusyError(busy);
  }

  /**
   * To be asked when a transaction that locked `skus` has failed, and is over. Answers what to tell of that: a
   * {@link ProductsBusyError} where it waited in vain for one that is locked still, which is remembered; else `error`.
   */
  async explain(skus: readonly string[], error: unknown): Promise<unknown> {
    if (!isAppError(error, "DATABASE_CONTENDED") || skus.length === 0) return error;
    try {
      const busy = await this.#locked(skus);
      if (busy.length === 0) return error;
      const isWatched = this.#skus.size > 0;
      for (const sku of busy) this.#skus.add(sku);
      if (!isWatched) void outsideAnyCall(() => this.#watch());
      return new ProductsBusyError(busy, error);
    } catch {
      // The call may have ended, or the database may have gone: what came first is told.
      return error;
    }
  }

  /** Queues for each in turn until all are free. */
  async #watch(): Promise<void> {
    try {
      while (this.#skus.size > 0) {
        for (const sku of [...this.#skus]) if (await this.#isFree(sku)) this.#skus.delete(sku);
        const locked = new Set(await this.#locked([...this.#skus]));
        for (const sku of this.#skus) if (!locked.has(sku)) this.#skus.delete(sku);
      }
    } catch {
      // The database has gone, or is closed: the next one who waits in vain finds out anew.
      this.#skus.clear();
    }
  }

  /** Whether a product's lock can be had within a second. */
  async #isFree(sku: string): Promise<boolean> {
    try {
      await this.#database.transaction((tx) =>
        tx.selectFrom("products").select("sku").where("sku", "=", sku).forUpdate().execute(),
      );
      return true;
    } catch (error) {
      if (isAppError(error, "DATABASE_CONTENDED")) return false;
      throw error;
    }
  }

  /** Those of `skus` that exist, and that somebody has locked at this moment. */
  async #locked(skus: readonly string[]): Promise<readonly string[]> {
    if (skus.length === 0) return [];
    const { db } = this.#database;
    const known = await db.selectFrom("products").select("sku").where("sku", "in", skus).execute();
    const unlocked = await db
      .transaction()
      .execute((tx) =>
        tx
          .selectFrom("products")
          .select("sku")
          .where("sku", "in", skus)
          .orderBy("sku")
          .forUpdate()
          .skipLocked()
          .execute(),
      );
    const free = new Set(unlocked.map(({ sku }) => sku));
    return known.map(({ sku }) => sku).filter((sku) => !free.has(sku));
  }
}
