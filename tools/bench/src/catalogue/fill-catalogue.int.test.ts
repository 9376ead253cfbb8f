import assert from "node:assert/strict";
import { test } from "node:test";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { anyPorts, launch } from "@shoal/launcher";
import { createClient } from "@shoal/rpc";
import { services } from "@shoal/services";
import { openDatabase } from "@shoal/storage";
import { createTestDatabase, needsDatabaseServer, temporaryDirectory } from "@shoal/testkit";
import { sql } from "kysely";
import { fillCatalogue } from "./fill-catalogue.ts";

test("products are as a load by the service leaves them", needsDatabaseServer(), async (t) => {
  const url = await createTestDatabase(t);
  const launched = await launch({
    services: services.filter(({ name }) => name === "inventory"),
    home: await temporaryDirectory(t),
    env: {
      ...process.env,
      ...anyPorts,
      SHOAL_INVENTORY_DATABASE_URL: url,
    },
  });
  t.after(() => launched.stop());
  using inventory = createClient(InventoryService, { address: launched.service("inventory").grpcAddress });
  const price = { minorUnits: 100n, currency: "EUR" };
  const load = (sku: string) =>
    inventory.loadStock(
      (async function* () {
        yield { loadId: "all", line: { sku, name: sku, price, quantity: 7 } };
      })(),
    );
  assert.equal((await load("A")).created, 1n);

  const skus = Array.from({ length: 1_001 }, (_, n) => `B-${n}`);
  const figures = await fillCatalogue(url, skus, 7, AbortSignal.timeout(60_000));
  assert.ok(figures.productsBytes > 0 && figures.bufferPoolBytes > 0, JSON.stringify(figures));

  const database = openDatabase(url, { maxConnections: 1 });
  t.after(() => database.close());
  const rowsOf = async (table: string) =>
    (await sql<Record<string, unknown>>`select * from ${sql.table(table)} order by sku`.execute(database.db)).rows;
  const [product, ...products] = await rowsOf("products");
  const [adjustment, ...adjustments] = await rowsOf("adjustments");
  const times = { created_at_ms: 0, updated_at_ms: 0 };
  assert.deepEqual(
    products.map((row) => ({ ...row, ...times })),
    skus.toSorted().map((sku) => ({ ...product, ...times, sku, name: sku })),
  );
  assert.deepEqual(
    adjustments.map((row) => ({ ...row, created_at_ms: 0 })),
    skus.toSorted().map((sku) => ({ ...adjustment, created_at_ms: 0, sku, id: `all/${sku}` })),
  );
  // That load has brought them: they count once.
  assert.equal((await load("B-1000")).unchanged, 1n);
});
