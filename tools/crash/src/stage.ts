import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { anyPorts } from "@shoal/launcher";
import { type Client, createClient } from "@shoal/rpc";
import { services } from "@shoal/services";
import {
  type DatabaseServerProcess,
  findDatabaseServerBinary,
  startDatabaseServer,
} from "@shoal/testkit/database-server-process";
import { createDatabases } from "@shoal/tools-bench/databases";
import { Instances } from "./instances.ts";

/** Short times: what a crash leaves half done is over in seconds. */
const settings = {
  SHOAL_ORDER_HOLD_MS: "3000",
  SHOAL_ORDER_SETTLE_INTERVAL_MS: "100",
  SHOAL_ORDER_USER_CACHE_MS: "100",
  SHOAL_INVENTORY_SWEEP_INTERVAL_MS: "100",
  ...anyPorts,
  ...Object.fromEntries(services.map(({ name }) => [`SHOAL_${name.toUpperCase()}_LOG_LEVEL`, "warn"])),
};

/** What a service is called; so is its first instance. */
type Service = "user" | "inventory" | "order";

/** The services and their database, to be crashed. */
export interface Stage {
  /** A client of each instance. */
  readonly orders: readonly Client<typeof OrderService>[];
  readonly inventories: readonly Client<typeof InventoryService>[];
  readonly users: readonly Client<typeof UserService>[];
  /** The URLs of their databases. */
  readonly databases: Readonly<Record<Service, string>>;
  /** The database server, where it may be killed. */
  readonly server: Pick<DatabaseServerProcess, "kill" | "restart"> | undefined;
  readonly instances: Instances;
}

/**
 * Starts two instances of each service, each a process of its own, on databases of their own: those of a private,
 * durable server, or of the one that `database` names, where other runs may have theirs. All ends with `stack`.
 */
export async function startStage(stack: AsyncDisposableStack, database: string | undefined): Promise<Stage> {
  const server = database === undefined ? await startServer(stack) : undefined;
  const databases = await createDatabases(stack, server?.url ?? database ?? "", "shoal_crash");
  const home = await mkdtemp(join(tmpdir(), "shoal-crash-"));
  stack.defer(() => rm(home, { recursive: true, force: true }));

  const instances = new Instances();
  const launched = await instances.launch({
    home,
    scale: new Map(services.map(({ name }) => [name, 2])),
    env: { ...process.env, ...settings, ...databases },
  });
  stack.defer(() => launched.stop());
  const clientsOf = <C extends Disposable>(service: Service, make: (address: string) => C): readonly C[] =>
    launched.services
      .filter((instance) => instance.service === service)
      .map(({ grpcAddress }) => stack.use(make(grpcAddress)));
  const urlOf = (service: Service) => databases[`SHOAL_${service.toUpperCase()}_DATABASE_URL`] ?? "";
  return {
    orders: clientsOf("order", (address) => createClient(OrderService, eager(OrderService, address))),
    inventories: clientsOf("inventory", (address) => createClient(InventoryService, eager(InventoryService, address))),
    users: clientsOf("user", (address) => createClient(UserService, eager(UserService, address))),
    databases: { order: urlOf("order"), inventory: urlOf("inventory"), user: urlOf("user") },
    server,
    instances,
  };
}

/** How a client asks an instance again as soon as it is there: it neither keeps away from it, nor waits long to connect. */
function eager(
  { typeName, methods }: typeof OrderService | typeof InventoryService | typeof UserService,
  address: string,
) {
  const policies = Object.fromEntries(methods.map(({ name }) => [`/${typeName}/${name}`, { breaker: undefined }]));
  return { address, policies, channelOptions: { "grpc.max_reconnect_backoff_ms": 100 } };
}

async function startServer(stack: AsyncDisposableStack): Promise<DatabaseServerProcess> {
  const binary = findDatabaseServerBinary();
  if (binary === undefined) throw new Error("name a server with --database, or install MariaDB");
  const server = await startDatabaseServer(binary, { durable: true });
  stack.defer(() => server.stop());
  return server;
}
