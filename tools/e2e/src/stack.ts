import { join } from "node:path";
import type { TestContext } from "node:test";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { anyPorts, type Launched, type LaunchOptions, launch } from "@shoal/launcher";
import { createClient } from "@shoal/rpc";
import { type StorageEngine, temporaryDirectory } from "@shoal/testkit";
import type { Clients } from "./bad-call.ts";

/** Where a stack's state is: it can be started there again and again. */
export interface Place {
  readonly home: string;
  /** The URL of each service's database. */
  readonly databases: Readonly<Record<"user" | "inventory" | "order", string>>;
}

/** A stack that runs, and a client of each service. */
export interface RunningStack {
  readonly launched: Launched;
  readonly clients: Clients;
  /** Stops it before the test ends. */
  stop(): Promise<void>;
}

const sqlite = {
  createDatabase: async (t: TestContext) => `sqlite:${join(await temporaryDirectory(t), "test.db")}`,
};

/** An empty place for a stack, on SQLite unless told otherwise. It goes with the test. */
export async function newPlace(
  t: TestContext,
  { createDatabase }: Pick<StorageEngine, "createDatabase"> = sqlite,
): Promise<Place> {
  const [user, inventory, order] = await Promise.all([createDatabase(t), createDatabase(t), createDatabase(t)]);
  return { home: await temporaryDirectory(t), databases: { user, inventory, order } };
}

/** Starts all services at a place, on free ports. They are stopped after the test at the latest. */
export async function startStack(
  t: TestContext,
  { home, databases }: Place,
  { env = {}, ...options }: LaunchOptions = {},
): Promise<RunningStack> {
  const launched = await launch({
    // Why a start has failed, say; its log goes with the test.
    onWarning: (name, { message }) => t.diagnostic(`${name}: ${message}`),
    ...options,
    home,
    env: {
      ...process.env,
      ...anyPorts,
      SHOAL_USER_DATABASE_URL: databases.user,
      SHOAL_INVENTORY_DATABASE_URL: databases.inventory,
      SHOAL_ORDER_DATABASE_URL: databases.order,
      ...env,
    },
  });
  const clients = clientsAt((name) => launched.service(name).grpcAddress);
  const stop = async () => {
    for (const client of Object.values(clients)) client[Symbol.dispose]();
    await launched.stop();
  };
  t.after(stop);
  return { launched, clients, stop };
}

/** A client of each service, at the address that it has. The caller disposes of them. */
export function clientsAt(addressOf: (service: keyof Clients) => string): Clients {
  return {
    user: createClient(UserService, { address: addressOf("user") }),
    inventory: createClient(InventoryService, { address: addressOf("inventory") }),
    order: createClient(OrderService, { address: addressOf("order") }),
  };
}
