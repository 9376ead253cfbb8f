import { Broadcast, repeat } from "@shoal/concurrency";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { createContext, newId, runWithContext, systemClock } from "@shoal/kernel";
import { createClient } from "@shoal/rpc";
import type { ServiceDefinition } from "@shoal/runtime";
import { admission, logConnections, migrate, openDatabase } from "@shoal/storage";
import { createStockHolds } from "./clients/stock-holds.ts";
import { createUserDirectory } from "./clients/user-directory.ts";
import type { OrderSettings } from "./config.ts";
import type { Order } from "./domain/order.ts";
import { createOrders } from "./domain/orders.ts";
import { orderHandlers } from "./handlers/order-handlers.ts";
import { migrations } from "./store/migrations.ts";
import { createSqlOrderStore, type OrderTables } from "./store/sql-order-store.ts";

/** Orders that one run of the settling job looks at; it runs again at once while there are more. */
const settleBatch = 100;

/** Changes that a watcher may be behind. */
const watchQueueLimit = 1_000;

/** The order service and all its parts. */
export const orderService: ServiceDefinition<OrderSettings> = {
  name: "order",
  build: async ({ settings, lifecycle, log, clientOptions }) => {
    const database = openDatabase<OrderTables>(settings.databaseUrl, { onConnectionEvent: logConnections(log) });
    lifecycle.onStop("database", () => database.close());
    await migrate(database, migrations);

    const users = createClient(UserService, { ...clientOptions, address: settings.userAddress });
    lifecycle.onStop("user client", () => users[Symbol.dispose]());
    const inventory = createClient(InventoryService, { ...clientOptions, address: settings.inventoryAddress });
    lifecycle.onStop("inventory client", () => inventory[Symbol.dispose]());

    const changes = new Broadcast<Order>(watchQueueLimit);
    const orders = createOrders({
      store: createSqlOrderStore(database),
      users: createUserDirectory(users),
      stock: createStockHolds(inventory),
      clock: systemClock,
      holdMs: settings.holdMs,
      onChange: (order) => changes.publish(order),
    });

    const settler = repeat(
      async (signal) => {
        const onOrderError = ({ id }: Order, err: unknown) =>
          log.warn({ err, orderId: id }, "an order could not be settled; it is tried again later");
        // The context carries the signal to the calls of other services.
        const context = createContext({ requestId: newId(), signal });
        const found = await runWithContext(context, () => orders.settleOverdue(settleBatch, onOrderError, signal));
        return found === settleBatch;
      },
      {
        intervalMs: settings.settleIntervalMs,
        onError: (err) => log.error({ err }, "the settling of orders failed; it is tried again"),
      },
    );
    lifecycle.onStop("settler", () => settler.stop());

    return {
      services: [orderHandlers({ orders, changes, log, streamConcurrency: settings.streamConcurrency })],
      admission: admission(database),
    };
  },
};
