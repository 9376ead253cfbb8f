import { Broadcast, repeat } from "@shoal/concurrency";
import { createContext, newId, runWithContext, systemClock } from "@shoal/kernel";
import type { ServiceDefinition } from "@shoal/runtime";
import { admission, logConnections, migrate, openDatabase } from "@shoal/storage";
import type { InventorySettings } from "./config.ts";
import { createCatalogue } from "./domain/catalogue.ts";
import { createReservations } from "./domain/reservations.ts";
import { createStockKeeping } from "./domain/stock-keeping.ts";
import { inventoryHandlers } from "./handlers/inventory-handlers.ts";
import { maxWatchedSkus } from "./handlers/watch-stock.ts";
import { migrations } from "./store/migrations.ts";
import { createSqlInventoryStore } from "./store/sql-inventory-store.ts";
import type { InventoryTables } from "./store/tables.ts";

/** Holds that one run of the sweeper ends; it runs again at once while there are more. */
const sweepBatch = 100;

/** The inventory service and all its parts. */
export const inventoryService: ServiceDefinition<InventorySettings> = {
  name: "inventory",
  build: async ({ settings, lifecycle, log }) => {
    const database = openDatabase<InventoryTables>(settings.databaseUrl, { onConnectionEvent: logConnections(log) });
    lifecycle.onStop("database", () => database.close());
    await migrate(database, migrations);

    const changes = new Broadcast<string>(maxWatchedSkus);
    const onChange = (skus: readonly string[]) => {
      for (const sku of skus) changes.publish(sku);
    };
    const parts = { store: createSqlInventoryStore(database), clock: systemClock, onChange };
    const reservations = createReservations(parts);

    const sweeper = repeat(
      async (signal) => {
        // The context carries the signal to where statements wait for their turn.
        const context = createContext({ requestId: newId(), signal });
        return (await runWithContext(context, () => reservations.expireOverdue(sweepBatch))) === sweepBatch;
      },
      {
        intervalMs: settings.sweepIntervalMs,
        onError: (err) => log.error({ err }, "the sweeper of expired holds failed; it tries again"),
      },
    );
    lifecycle.onStop("sweeper", () => sweeper.stop());

    return {
      services: [
        inventoryHandlers({
          catalogue: createCatalogue(parts),
          stock: createStockKeeping(parts),
          reservations,
          changes,
        }),
      ],
      admission: admission(database),
    };
  },
};
