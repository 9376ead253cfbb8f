import type { Clock } from "@shoal/kernel";
import { CollisionError, type InventoryStore } from "./inventory-store.ts";
import { type Product, type ProductChange, productVersionStale, skuNotFound, skuTaken } from "./product.ts";

/** What a new product is made of. */
export type NewProduct = Pick<Product, "sku" | "name" | "description" | "price">;

/** What can be done with products. */
export type Catalogue = ReturnType<typeof createCatalogue>;

/** The use cases about products. Errors are the constructors in `product.ts`. */
export function createCatalogue({ store, clock }: { store: InventoryStore; clock: Clock }) {
  const get = async (sku: string): Promise<Product> => {
    const [found] = await store.find([sku]);
    if (found === undefined) throw skuNotFound(sku);
    return found.product;
  };
  return {
    get,

    /** Adds a product with `quantity` pieces. */
    create: async (input: NewProduct, quantity: number): Promise<Product> => {
      const product = newProduct(input, clock.now());
      const { sku, createdAtMs } = product;
      const stock = { sku, available: quantity, held: 0, sold: 0, version: 0 };
      const adjustment = { source: "create", id: sku, sku, delta: quantity, reason: "", createdAtMs } as const;
      try {
        await store.transaction(async (tx) => {
          await tx.insert([{ product, stock }]);
          await tx.insertAdjustments([adjustment]);
        });
      } catch (error) {
        throw error instanceof CollisionError ? skuTaken(sku) : error;
      }
      return product;
    },

    /** The products that exist, and the SKUs that none has, both in the order of `skus`. */
    batchGet: async (skus: readonly string[]) => {
      const found = new Map((await store.find(skus)).map(({ product }) => [product.sku, product]));
      return {
        products: skus.flatMap((sku) => found.get(sku) ?? []),
        missing: skus.filter((sku) => !found.has(sku)),
      };
    },

    /** Applies `change` if the product is still at `version`. */
    update: async (sku: string, version: number, change: ProductChange): Promise<Product> => {
      const product = await get(sku);
      const changed: Product = { ...product, ...change, version: version + 1, updatedAtMs: clock.now() };
      if (!(await store.replace(changed, version))) throw productVersionStale(sku, version);
      return changed;
    },

    /** Up to `limit` products after SKU `after` (empty: from the first), by SKU. */
    list: (after: string, limit: number): Promise<readonly Product[]> => store.list(after, limit),
  };
}

/** A product at its first version. */
export function newProduct(input: NewProduct, nowMs: number): Product {
  return { ...input, version: 1, createdAtMs: nowMs, updatedAtMs: nowMs };
}
