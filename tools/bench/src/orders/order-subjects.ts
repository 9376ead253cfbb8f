import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { createClient } from "@shoal/rpc";
import { startWorker } from "../rpc/processes.ts";
import { createDatabases, startDurableServer } from "../services/databases.ts";
import { type StartedServices, serviceNames, startServices } from "../services/start-services.ts";
import { type DatabaseMeter, openDatabaseMeter } from "./database-meter.ts";
import type { EchoServerTasks } from "./echo-server-process.ts";
import type { OrdersShop } from "./orders-client-process.ts";

/** Who takes the orders. */
export interface OrderSubject {
  readonly name: "echo" | "shoal" | "plain";
  readonly what: string;
  /** How the services are set; undefined for what is none of them. */
  readonly env: Readonly<Record<string, string>> | undefined;
}

/** What no measured service does: refusing calls, and ending holds meanwhile. */
const undistorted = {
  ...Object.fromEntries(serviceNames.map((name) => [`SHOAL_${name.toUpperCase()}_LOAD_SHEDDING`, "off"])),
  SHOAL_ORDER_HOLD_MS: "86400000",
};

/** All that are compared. */
export const orderSubjects: readonly OrderSubject[] = [
  { name: "echo", what: "bare grpc-js that answers the same", env: undefined },
  {
    name: "shoal",
    what: "the services as they are",
    env: { ...undistorted, SHOAL_ORDER_BATCHING: "on", SHOAL_INVENTORY_BATCHING: "on" },
  },
  {
    name: "plain",
    what: "the services without batching and without remembered users",
    env: {
      ...undistorted,
      SHOAL_ORDER_BATCHING: "off",
      SHOAL_INVENTORY_BATCHING: "off",
      SHOAL_ORDER_USER_CACHE_MS: "0",
    },
  },
];

/** One that runs. */
export interface OpenSubject {
  readonly shop: OrdersShop;
  /** The processes that work on orders, by service; that of the echo is the order service's. */
  readonly processes: ReadonlyMap<string, number>;
  /** What its database server does; undefined where there is none. */
  readonly database: DatabaseMeter | undefined;
  /** Where its orders and its stock are kept; undefined where they are not. */
  readonly kept: StartedServices["databases"] | undefined;
}

const users = 100;
const products = 1_000;
const piecesEach = 1_000_000_000;
const hotSku = "HOT";
const skus = Array.from({ length: products }, (_, n) => `SKU-${n}`);

/** Requests under way at once while a shop is filled. */
const fillers = 20;

/**
 * Starts a subject, with 100 users, 1,000 SKUs and a hot one. `database` is `sqlite`, a server's URL, or undefined for a
 * private server. All ends, and what is on the database goes, with `stack`.
 */
export async function openSubject(
  stack: AsyncDisposableStack,
  { name, env }: OrderSubject,
  database: string | undefined,
  profileDir: string | undefined,
): Promise<OpenSubject> {
  if (env === undefined) return openEcho(stack, name, profileDir);
  const serverUrl =
    database === "sqlite"
      ? undefined
      : (database ?? (await startDurableServer(stack, "name a server with --database")));
  const databases = serverUrl === undefined ? {} : await createDatabases(stack, serverUrl, `shoal_orders_${name}`);
  const { launched, databases: kept } = await startServices(stack, { ...databases, ...env });
  const processes = new Map(serviceNames.map((service) => [service as string, launched.service(service).pid]));
  const meter = serverUrl === undefined ? undefined : await openDatabaseMeter(stack, serverUrl);
  if (meter?.pid !== undefined) processes.set("database", meter.pid);
  const address = (service: string) => ({ address: launched.service(service).grpcAddress });
  return { shop: await fill(address), processes, database: meter, kept };
}

async function openEcho(
  stack: AsyncDisposableStack,
  name: string,
  profileDir: string | undefined,
): Promise<OpenSubject> {
  const server = stack.use(startWorker<EchoServerTasks>("../orders/echo-server-process.ts", name, profileDir));
  const { address, pid } = await server.ask("serve");
  const userIds = Array.from({ length: users }, () => crypto.randomUUID());
  return {
    shop: { address, userIds, hotSku, skus },
    processes: new Map([["order", pid]]),
    database: undefined,
    kept: undefined,
  };
}

async function fill(address: (service: string) => { readonly address: string }): Promise<OrdersShop> {
  using userClient = createClient(UserService, address("user"));
  using inventory = createClient(InventoryService, address("inventory"));
  const numbers = Array.from({ length: users }, (_, n) => n);
  const userIds = await inTurns(numbers, async (n) => {
    const { user } = await userClient.createUser({ email: `buyer-${n}@example.com`, displayName: `Buyer ${n}` });
    return user?.id ?? "";
  });
  const price = { minorUnits: 100n, currency: "EUR" };
  const load = async function* () {
    for (const sku of [hotSku, ...skus]) yield { loadId: "all", line: { sku, name: sku, price, quantity: piecesEach } };
  };
  const { created } = await inventory.loadStock(load());
  if (created !== BigInt(products + 1)) throw new Error(`only ${created} products were loaded`);
  return { ...address("order"), userIds, hotSku, skus };
}

/** Does something with each, some at once, and answers what came of each. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += fillers)
    results.push(...(await Promise.all(items.slice(from, from + fillers).map(work))));
  return results;
}
