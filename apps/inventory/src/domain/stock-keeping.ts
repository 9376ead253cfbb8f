import { type Clock, isAppError } from "@shoal/kernel";
import { type NewProduct, newProduct } from "./catalogue.ts";
import {
  CollisionError,
  type InventoryStore,
  type InventoryTransaction,
  type StockedProduct,
} from "./inventory-store.ts";
import { skuNotFound } from "./product.ts";
import { type Adjustment, adjustmentIdReused, requireAdjustable, type StockLevel, type StockMove } from "./stock.ts";

/** A line of a load: a product to create or bring up to date, and pieces to add. */
export interface LoadLine extends NewProduct {
  readonly quantity: number;
}

/** What became of a line of a load. */
export type LoadOutcome =
  | { readonly kind: "created" | "updated" | "unchanged" }
  | { readonly kind: "rejected"; readonly reason: "DUPLICATE_LINE" | "STOCK_LIMIT_EXCEEDED"; readonly message: string };

const maxLoadAttempts = 5;

/** What can be done with stock. */
export type StockKeeping = ReturnType<typeof createStockKeeping>;

/** The use cases about stock levels. Errors are the constructors in `stock.ts`. */
export function createStockKeeping({ store, clock }: { readonly store: InventoryStore; readonly clock: Clock }) {
  return {
    /** The levels of the SKUs that exist, and the SKUs that do not, both in the order of `skus`. */
    get: async (skus: readonly string[]) => {
      const found = new Map((await store.find(skus)).map(({ stock }) => [stock.sku, stock]));
      return {
        levels: skus.flatMap((sku) => found.get(sku) ?? []),
        missing: skus.filter((sku) => !found.has(sku)),
      };
    },

    /** Adds `delta` pieces once, whoever repeats it; answers the level of now. */
    adjust: async (change: Pick<Adjustment, "id" | "sku" | "delta" | "reason">): Promise<StockLevel> => {
      const { id, sku, delta } = change;
      const adjustment: Adjustment = { ...change, source: "adjust", createdAtMs: clock.now() };
      const adjustOnce = async (tx: InventoryTransaction): Promise<StockLevel> => {
        const stock = (await tx.lock([sku])).get(sku)?.stock;
        if (stock === undefined) throw skuNotFound(sku);
        const [earlier] = await tx.findAdjustments("adjust", [id]);
        if (earlier !== undefined) {
          if (earlier.sku !== sku || earlier.delta !== delta) throw adjustmentIdReused(id);
          return stock;
        }
        requireAdjustable(stock, delta);
        await tx.insertAdjustments([adjustment]);
        await tx.move([{ sku, available: delta }]);
        return { ...stock, available: stock.available + delta, version: stock.version + 1 };
      };
      try {
        return await store.transaction(adjustOnce);
      } catch (error) {
        // The lock on this SKU orders all uses of the id but those for another SKU.
        throw error instanceof CollisionError ? adjustmentIdReused(id) : error;
      }
    },

    /**
     * Loads lines, all of one load, in one transaction; answers what became of each. A line that the load has brought
     * before changes nothing.
     */
    load: async (loadId: string, lines: readonly LoadLine[]): Promise<readonly LoadOutcome[]> => {
      const nowMs = clock.now();
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await store.transaction((tx) => loadLines(tx, loadId, lines, nowMs));
        } catch (error) {
          // Somebody else created one of the products meanwhile: now it is one to bring up to date.
          if (!(error instanceof CollisionError) || attempt === maxLoadAttempts) throw error;
        }
      }
    },
  };
}

async function loadLines(
  tx: InventoryTransaction,
  loadId: string,
  lines: readonly LoadLine[],
  nowMs: number,
): Promise<readonly LoadOutcome[]> {
  const idOf = (sku: string) => `${loadId}/${sku}`;
  const skus = [...new Set(lines.map((line) => line.sku))];
  const known = new Map(await tx.lock(skus));
  const earlier = new Map(
    (await tx.findAdjustments("load", skus.map(idOf))).map((adjustment) => [adjustment.sku, adjustment]),
  );
  const created: StockedProduct[] = [];
  const moves: StockMove[] = [];
  const adjustments: Adjustment[] = [];

  const load = async (line: LoadLine): Promise<LoadOutcome> => {
    const { quantity, ...input } = line;
    const { sku } = input;
    const before = earlier.get(sku);
    if (before !== undefined) {
      if (before.delta === quantity) return { kind: "unchanged" };
      const message = `this load has brought ${before.delta} pieces of ${sku} already; put a SKU on one line only`;
      return { kind: "rejected", reason: "DUPLICATE_LINE", message };
    }
    const existing = known.get(sku);
    if (existing === undefined) {
      created.push({
        product: newProduct(input, nowMs),
        stock: { sku, available: quantity, held: 0, sold: 0, version: 0 },
      });
    } else {
      try {
        requireAdjustable(existing.stock, quantity);
      } catch (error) {
        if (!isAppError(error, "STOCK_LIMIT_EXCEEDED")) throw error;
        return { kind: "rejected", reason: "STOCK_LIMIT_EXCEEDED", message: error.message };
      }
      const { product } = existing;
      if (product.name !== input.name || product.description !== input.description || !samePrice(product, input))
        await tx.replace({ ...product, ...input, version: product.version + 1, updatedAtMs: nowMs });
      moves.push({ sku, available: quantity });
    }
    const adjustment: Adjustment = {
      source: "load",
      id: idOf(sku),
      sku,
      delta: quantity,
      reason: "",
      createdAtMs: nowMs,
    };
    adjustments.push(adjustment);
    earlier.set(sku, adjustment);
    return { kind: existing === undefined ? "created" : "updated" };
  };

  const outcomes: LoadOutcome[] = [];
  for (const line of lines) outcomes.push(await load(line));
  await tx.insert(created);
  await tx.insertAdjustments(adjustments);
  await tx.move(moves);
  return outcomes;
}

function samePrice(a: NewProduct, b: NewProduct): boolean {
  return a.price.minorUnits === b.price.minorUnits && a.price.currency === b.price.currency;
}
