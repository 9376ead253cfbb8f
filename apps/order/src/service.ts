import { repeat } from "@shoal/concurrency";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { createContext, newId, runWithContext, systemClock } from "@shoal/kernel";
import { type Client, createClient } from "@shoal/rpc";
import { sqlService } from "@shoal/runtime";
import { openOutbox } from "@shoal/storage";
import { batchTracing, type Instruments } from "@shoal/telemetry";
import { rememberActive } from "./clients/remember-active.ts";
import { createBatchedStockHolds, createStockHolds } from "./clients/stock-holds.ts";
import { createBatchedUserDirectory, createUserDirectory } from "./clients/user-directory.ts";
import type { OrderSettings } from "./config.ts";
import type { Order } from "./domain/order.ts";
import { createOrders } from "./domain/orders.ts";
import { orderHandlers } from "./handlers/order-handlers.ts";
import { countOrders } from "./order-metrics.ts";
import { batched, unbatched } from "./store/batched-order-store.ts";
import { migrations } from "./store/migrations.ts";
import { createOrderChanges } from "./store/order-events.ts";
import { createSqlOrderStore } from "./store/sql-order-store.ts";
import type { OrderTables } from "./store/tables.ts";

/** Orders that one run of the settling job looks at; it runs again at once while there are more. */
const settleBatch = 100;

/** How long the answers to requests that were refused are kept, in milliseconds: two days, so that a day is sure. */
const answersKeptForMs = 2 * 24 * 60 * 60_000;

/** How often old answers are looked for, in milliseconds, and how many are deleted at once. */
const forgetIntervalMs = 10_000;
const forgetBatch = 1_000;

/** The order service and all its parts. */
export const orderService = sqlService<OrderSettings, OrderTables>({
  name: "order",
  migrations,
  build: async ({ settings, database, lifecycle, log, clientOptions, telemetry }) => {
    const users = createClient(UserService, { ...clientOptions, address: settings.userAddress });
    lifecycle.onStop("user client", () => users[Symbol.dispose]());
    const inventory = createClient(InventoryService, { ...clientOptions, address: settings.inventoryAddress });
    lifecycle.onStop("inventory client", () => inventory[Symbol.dispose]());

    const outbox = openOutbox(database, {
      onError: (err) => log.error({ err }, "the outbox failed; it tries again"),
      telemetry,
    });
    lifecycle.onStop("outbox", () => outbox.close());

    const ports = portsOf(settings, createSqlOrderStore(database, outbox.nudge), users, inventory, telemetry);
    lifecycle.onStop("batches", () => ports.close());
    const store = telemetry === undefined ? ports.store : countOrders(ports.store, telemetry.metrics);
    const orders = createOrders({ ...ports, store, clock: systemClock, holdMs: settings.holdMs });

    const settler = repeat(
      async (signal) => {
        const onOrderError = ({ id }: Order, err: unknown) =>
          log.warn({ err, orderId: id }, "an order could not be settled; it is tried again later");
        // The context carries the signal to the calls of other services.
        const context = createContext({ requestId: newId(), signal });
        const report = await runWithContext(context, () => orders.settleOverdue(settleBatch, onOrderError, signal));
        // Expiring is everyday; to finish a change means that something was cut off.
        if (report.confirmed + report.cancelled > 0) log.info(report, "orders whose change was cut off are settled");
        return report.found === settleBatch;
      },
      {
        name: "settle orders",
        intervalMs: settings.settleIntervalMs,
        onError: (err) => log.error({ err }, "the settling of orders failed; it is tried again"),
      },
    );
    lifecycle.onStop("settler", () => settler.stop());

    const forgetter = repeat(
      async () => (await ports.store.forgetAnswers(Date.now() - answersKeptForMs, forgetBatch)) === forgetBatch,
      {
        name: "forget answers",
        intervalMs: forgetIntervalMs,
        onError: (err) => log.error({ err }, "old answers could not be deleted; it is tried again"),
      },
    );
    lifecycle.onStop("forgetter", () => forgetter.stop());

    return {
      services: [
        orderHandlers({
          orders,
          changes: createOrderChanges(outbox.feed),
          log,
          streamConcurrency: settings.streamConcurrency,
        }),
      ],
    };
  },
});

/** The domain's ports: what is asked at the same time is asked together, unless the settings say otherwise. */
function portsOf(
  { batching, userCacheMs }: OrderSettings,
  sqlStore: ReturnType<typeof createSqlOrderStore>,
  userClient: Client<typeof UserService>,
  inventoryClient: Client<typeof InventoryService>,
  telemetry: Instruments | undefined,
) {
  if (!batching) {
    const users = rememberActive(createUserDirectory(userClient), userCacheMs);
    return { store: unbatched(sqlStore), users, stock: createStockHolds(inventoryClient), close: async () => {} };
  }
  const observe = (name: string) => batchTracing(telemetry, name);
  const store = batched(sqlStore, observe);
  const users = createBatchedUserDirectory(userClient, observe("look up users"));
  const stock = createBatchedStockHolds(inventoryClient, observe("hold stock"));
  return {
    store,
    users: rememberActive(users, userCacheMs),
    stock,
    close: async () => {
      await Promise.all([store.close(), users.close(), stock.close()]);
    },
  };
}
