import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "@shoal/config";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { createServer, implement, type ServiceHandlers } from "@shoal/rpc";
import { startService } from "@shoal/runtime";
import { migrate, openDatabase } from "@shoal/storage";
import { createLogger } from "@shoal/telemetry";
import { storageEngines } from "@shoal/testkit";
import { declaredSettings } from "./config.ts";
import { orderService } from "./service.ts";
import { unbatched } from "./store/batched-order-store.ts";
import { migrations } from "./store/migrations.ts";
import { createSqlOrderStore } from "./store/sql-order-store.ts";
import type { OrderTables } from "./store/tables.ts";

for (const engine of storageEngines)
  test(`on ${engine.name} the service stops at once though the inventory never answers`, engine.options, async (t) => {
    const databaseUrl = await engine.createDatabase(t);
    const database = openDatabase<OrderTables>(databaseUrl);
    t.after(() => database.close());
    await migrate(database, migrations);
    const store = unbatched(createSqlOrderStore(database));
    for (const id of ["o1", "o2"])
      await store.insert({
        id,
        userId: "ada",
        status: "placed",
        intent: undefined,
        paymentReference: undefined,
        lines: [{ sku: "TEA", quantity: 1, unitPrice: { minorUnits: 1n, currency: "EUR" } }],
        total: { minorUnits: 1n, currency: "EUR" },
        expiresAtMs: 1_000,
        settleAtMs: 1_000,
        createdAtMs: 0,
        updatedAtMs: 0,
      });

    const asked = Promise.withResolvers<void>();
    let calls = 0;
    const neverAnswer = () => {
      calls += 1;
      asked.resolve();
      return new Promise(() => {});
    };
    const handlers = Object.fromEntries(InventoryService.methods.map(({ localName }) => [localName, neverAnswer]));
    const inventory = createServer({
      services: [implement(InventoryService, handlers as unknown as ServiceHandlers<typeof InventoryService>)],
      errorDomain: "shoal.inventory",
    });
    const port = await inventory.listen({ host: "127.0.0.1", port: 0 });
    t.after(() => inventory.drain(0));

    const settings = readSettings("SHOAL_ORDER_", declaredSettings, {
      SHOAL_ORDER_GRPC_PORT: "0",
      SHOAL_ORDER_ADMIN_PORT: "0",
      SHOAL_ORDER_DATABASE_URL: databaseUrl,
      SHOAL_ORDER_USER_ADDRESS: "127.0.0.1:1",
      SHOAL_ORDER_INVENTORY_ADDRESS: `127.0.0.1:${port}`,
      SHOAL_ORDER_SETTLE_INTERVAL_MS: "10",
    });
    const service = await startService(orderService, settings, createLogger("order", "fatal"));
    await asked.promise;
    const since = performance.now();
    await service.stop();
    assert.ok(performance.now() - since < 2_000, "stops promptly");
    assert.equal(calls, 1, "begins no other order");
    // It was cut off, not tried in vain: the next start looks at it again at once.
    assert.equal((await store.findUnsettled(1_000, 10)).length, 2);
  });
