import { repeat } from "@shoal/concurrency";
import { createContext, newId, runWithContext, systemClock } from "@shoal/kernel";
import { sqlService } from "@shoal/runtime";
import { openOutbox } from "@shoal/storage";
import { batchTracing } from "@shoal/telemetry";
import { reserveInBatches, reserveOneByOne } from "./batching.ts";
import type { InventorySettings } from "./config.ts";
import { createCatalogue } from "./domain/catalogue.ts";
import { createReservations } from "./domain/reservations.ts";
import { createStockKeeping } from "./domain/stock-keeping.ts";
import { inventoryHandlers } from "./handlers/inventory-handlers.ts";
import { countHolds, watchOpenHolds } from "./hold-metrics.ts";
import { migrations } from "./store/migrations.ts";
import { countOpenHolds, type OpenHolds } from "./store/open-holds.ts";
import { createSqlInventoryStore } from "./store/sql-inventory-store.ts";
import { createStockChanges } from "./store/stock-changes.ts";
import type { InventoryTables } from "./store/tables.ts";

/** Holds that one run of the sweeper ends; it runs again at once while there are more. */
const sweepBatch = 100;

/** How often the open holds are counted for whoever looks at the metrics, in milliseconds. */
const countIntervalMs = 5_000;

/** The inventory service and all its parts. */
export const inventoryService = sqlService<InventorySettings, InventoryTables>({
  name: "inventory",
  migrations,
  build: async ({ settings, database, lifecycle, log, telemetry }) => {
    const outbox = openOutbox(database, {
      onError: (err) => log.error({ err }, "the outbox failed; it tries again"),
      telemetry,
    });
    lifecycle.onStop("outbox", () => outbox.close());

    const sqlStore = createSqlInventoryStore(database, systemClock, outbox.nudge);
    const store = telemetry === undefined ? sqlStore : countHolds(sqlStore, telemetry.metrics);
    const parts = { store, clock: systemClock };
    const reservations = createReservations(parts);
    const batcher = reserveInBatches(reservations, batchTracing(telemetry, "reserve stock"));
    lifecycle.onStop("reservations", () => batcher.close());

    const sweeper = repeat(
      async (signal) => {
        // The context carries the signal to where statements wait for their turn.
        const context = createContext({ requestId: newId(), signal });
        return await runWithContext(context, async () => {
          const forgotten = await reservations.forgetFences(sweepBatch);
          const expired = await reservations.expireOverdue(sweepBatch);
          return forgotten === sweepBatch || expired === sweepBatch;
        });
      },
      {
        name: "expire holds",
        intervalMs: settings.sweepIntervalMs,
        onError: (err) => log.error({ err }, "the sweeper of expired holds failed; it tries again"),
      },
    );
    lifecycle.onStop("sweeper", () => sweeper.stop());

    if (telemetry !== undefined) {
      let holds: OpenHolds | undefined;
      watchOpenHolds(telemetry.metrics, () => holds);
      const counter = repeat(
        async () => {
          holds = await countOpenHolds(database.db, Date.now());
          return false;
        },
        {
          name: "count holds",
          intervalMs: countIntervalMs,
          onError: (err) => {
            holds = undefined;
            log.warn({ err }, "the open holds could not be counted; it is tried again");
          },
        },
      );
      lifecycle.onStop("counter of holds", () => counter.stop());
    }

    return {
      services: [
        inventoryHandlers({
          catalogue: createCatalogue(parts),
          stock: createStockKeeping(parts),
          reservations,
          reserve: settings.batching ? (request) => batcher.submit(request) : reserveOneByOne(reservations),
          changes: createStockChanges(outbox.feed),
          onFault: (err) => log.error({ err }, "a reservation of a batch failed unexpectedly"),
        }),
      ],
    };
  },
});
