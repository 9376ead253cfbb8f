import type { TestContext } from "node:test";
import { needsDatabaseServer, temporaryDirectory } from "@shoal/testkit";
import {
  type DatabaseServerProcess,
  findDatabaseServerBinary,
  startDatabaseServer,
} from "@shoal/testkit/database-server-process";
import { type Connection, createConnection } from "mysql2/promise";
import { type Place, type RunningStack, startStack } from "./stack.ts";

const binary = findDatabaseServerBinary();

/** Options for a test that needs a database server of its own: it is skipped, with the reason, where there is none. */
export const needsOwnServer: { readonly skip?: string } =
  binary === undefined ? { skip: "there is no database server's program to start" } : needsDatabaseServer();

/** A shop whose database server a test may do anything to. */
export interface ShopOnOwnServer extends RunningStack {
  readonly server: DatabaseServerProcess;
  readonly databases: Place["databases"];
  readonly userId: string;
  /** Each has a million pieces. */
  readonly skus: readonly string[];
  /** Opens a connection by which anything may be done to the server. It ends with the test. */
  openRoot(): Promise<Connection>;
}

/** Starts the services on a durable server of their own, as users who may do nothing elsewhere. All ends with the test. */
export async function startShopOnOwnServer(
  t: TestContext,
  options: Parameters<typeof startStack>[2] = {},
): Promise<ShopOnOwnServer> {
  const server = await startDatabaseServer(binary ?? "", { durable: true });
  const openRoot = async () => {
    const root = await createConnection(server.url);
    // It is lost with the server.
    root.on("error", () => {});
    t.after(() => root.destroy());
    return root;
  };
  const root = await openRoot();
  const createDatabase = async (name: string) => {
    for (const statement of [
      `create database shop_${name}`,
      `create user '${name}'@'%' identified by 'secret'`,
      `grant all privileges on shop_${name}.* to '${name}'@'%'`,
    ])
      await root.query(statement);
    const url = new URL(server.url);
    return Object.assign(url, { username: name, password: "secret", pathname: `/shop_${name}` }).href;
  };
  const databases = {
    user: await createDatabase("user"),
    inventory: await createDatabase("inventory"),
    order: await createDatabase("order"),
  };
  const stack = await startStack(t, { home: await temporaryDirectory(t), databases }, options);
  // After the services have ended.
  t.after(() => server.stop());
  const { clients } = stack;
  const { user } = await clients.user.createUser({ email: "ada@example.com", displayName: "Ada" });
  const skus = Array.from({ length: 20 }, (_, n) => `SKU-${n}`);
  const price = { minorUnits: 450n, currency: "EUR" };
  for (const sku of skus) await clients.inventory.createProduct({ sku, name: sku, price, initialQuantity: 1_000_000 });
  return { ...stack, server, databases, userId: user?.id ?? "", skus, openRoot };
}
