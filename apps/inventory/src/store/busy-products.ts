import { isAppError } from "@shoal/kernel";
import type { Kysely, Transaction } from "kysely";
import { ProductsBusyError } from "../domain/inventory-store.ts";
import type { InventoryTables } from "./tables.ts";

/**
 * The products that somebody else keeps locked for long: an operator's session, an instance that hangs. Nobody who finds
 * one in here waits for it, so that few connections wait, and not those whose callers want other products.
 */
export class BusyProducts {
  readonly #skus = new Set<string>();

  /**
   * To be asked before a transaction locks `skus`. Throws a {@link ProductsBusyError} where one of them was waited for in
   * vain and is locked still; costs nothing where none was.
   */
  async refuse(tx: Transaction<InventoryTables>, skus: readonly string[]): Promise<void> {
    if (!skus.some((sku) => this.#skus.has(sku))) return;
    const free = await lockFree(tx, skus);
    for (const sku of free) this.#skus.delete(sku);
    const busy = skus.filter((sku) => this.#skus.has(sku));
    if (busy.length > 0) throw new ProductsBusyError(busy);
  }

  /**
   * To be asked when a transaction that locked `skus` has failed, and is over. Answers what to tell of that: a
   * {@link ProductsBusyError} where it waited in vain for one that is locked still, which is remembered; else `error`.
   */
  async explain(db: Kysely<InventoryTables>, skus: readonly string[], error: unknown): Promise<unknown> {
    if (!isAppError(error, "DATABASE_CONTENDED") || skus.length === 0) return error;
    try {
      const known = await db.selectFrom("products").select("sku").where("sku", "in", skus).execute();
      const free = new Set(await db.transaction().execute((tx) => lockFree(tx, skus)));
      const busy = known.map(({ sku }) => sku).filter((sku) => !free.has(sku));
      for (const sku of busy) this.#skus.add(sku);
      return busy.length > 0 ? new ProductsBusyError(busy, error) : error;
    } catch {
      // The call may have ended, or the database may have gone: what came first is told.
      return error;
    }
  }
}

/** Locks those of `skus` that nobody else has locked, without waiting, and answers them. */
async function lockFree(tx: Transaction<InventoryTables>, skus: readonly string[]): Promise<readonly string[]> {
  const free = tx.selectFrom("products").select("sku").where("sku", "in", skus).orderBy("sku").forUpdate().skipLocked();
  return (await free.execute()).map(({ sku }) => sku);
}
