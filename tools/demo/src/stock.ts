import type { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import type { Client } from "@shoal/rpc";
import { currency, type Product } from "./catalogue.ts";
import { DemoError } from "./demo-error.ts";
import { retrying } from "./retry.ts";
import { type Level, type Pieces, Tally } from "./stock-check.ts";

type Inventory = Client<typeof InventoryService>;

/** SKUs in one GetStock call: the most that the contract allows. */
const batchSize = 100;

/** The levels of all products that exist. Not a snapshot: the batches are read one after the other. */
export async function readLevels(
  inventory: Inventory,
  products: readonly Product[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Level>> {
  const levels = new Map<string, Level>();
  for (let at = 0; at < products.length; at += batchSize) {
    const skus = products.slice(at, at + batchSize).map(({ sku }) => sku);
    const { stock } = await retrying(signal, () => inventory.getStock({ skus }, { signal }));
    for (const { sku, available, held, sold } of stock) levels.set(sku, { available, held, sold });
  }
  return levels;
}

/**
 * Loads all products with their stock, once per load id however often a lost stream is sent again; answers the pieces
 * added. Throws a {@link DemoError} when a line was rejected.
 */
export async function loadCatalogue(
  inventory: Inventory,
  products: readonly Product[],
  loadId: string,
  signal: AbortSignal,
): Promise<Pieces> {
  const { received, rejectedLines } = await retrying(signal, () =>
    inventory.loadStock(requestsFor(products, loadId), { signal }),
  );
  if (received !== BigInt(products.length))
    throw new DemoError(`${products.length} products were sent to LoadStock, and it received ${received}`);
  const [rejected] = rejectedLines;
  if (rejected !== undefined)
    throw new DemoError(
      `LoadStock rejected ${rejectedLines.length} lines, the first (${rejected.sku}) with ${rejected.reason}: ${rejected.message}`,
    );
  const loaded = new Tally();
  loaded.add(products);
  return loaded.pieces;
}

async function* requestsFor(products: readonly Product[], loadId: string) {
  for (const { sku, name, description, priceCents, quantity } of products)
    yield { loadId, line: { sku, name, description, quantity, price: { minorUnits: priceCents, currency } } };
}
