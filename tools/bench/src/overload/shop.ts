import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { launch } from "@shoal/launcher";
import { createClient } from "@shoal/rpc";
import { openDatabase } from "@shoal/storage";
import { findDatabaseServerBinary, startDatabaseServer } from "@shoal/testkit/database-server-process";
import { sql } from "kysely";
import type { Shop } from "./overload-client-process.ts";

const products = 200;
const piecesEach = 1_000_000_000;

/**
 * Starts the user, inventory and order services, each a process of its own, on new databases of the server that
 * SHOAL_TEST_MYSQL_URL names or of a private one, and fills them. Every commit of a private one is on the disk before it
 * counts. All ends, and the databases go, with `stack`.
 */
export async function openShop(stack: AsyncDisposableStack, env: Readonly<Record<string, string>>): Promise<Shop> {
  const url = new URL(process.env["SHOAL_TEST_MYSQL_URL"] ?? (await ownServer(stack)));
  const home = await mkdtemp(join(tmpdir(), "shoal-overload-"));
  stack.defer(() => rm(home, { recursive: true, force: true }));
  const databases = await createDatabases(stack, url);
  const launched = await launch({ home, env: { ...process.env, ...anyPorts, ...databases, ...env } });
  stack.defer(() => launched.stop());
  const address = (service: string) => ({ address: launched.service(service).grpcAddress });
  using users = createClient(UserService, address("user"));
  using inventory = createClient(InventoryService, address("inventory"));
  const { user } = await users.createUser({ email: "buyer@example.com", displayName: "Buyer" });
  const skus = Array.from({ length: products }, (_, n) => `SKU-${n}`);
  const price = { minorUnits: 100n, currency: "EUR" };
  for (const sku of skus) await inventory.createProduct({ sku, name: sku, price, initialQuantity: piecesEach });
  return { ...address("order"), userId: user?.id ?? "", skus };
}

const names = ["user", "inventory", "order"] as const;

const anyPorts = Object.fromEntries([
  ["SHOAL_REGISTRY_PORT", "0"],
  ...names.flatMap((name) =>
    ["GRPC", "ADMIN"].map((port) => [`SHOAL_${name.toUpperCase()}_${port}_PORT`, "0"] as const),
  ),
]);

async function ownServer(stack: AsyncDisposableStack): Promise<string> {
  const binary = findDatabaseServerBinary();
  if (binary === undefined) throw new Error("set SHOAL_TEST_MYSQL_URL to a MySQL-protocol server, or install MariaDB");
  const server = await startDatabaseServer(binary);
  stack.defer(() => server.stop());
  const root = openDatabase(inDatabase(new URL(server.url), "mysql"));
  await sql`set global innodb_flush_log_at_trx_commit = 1`.execute(root.db);
  await root.close();
  return server.url;
}

/** The settings by which each service finds its own. */
async function createDatabases(stack: AsyncDisposableStack, url: URL): Promise<Record<string, string>> {
  const root = openDatabase(inDatabase(url, "mysql"));
  stack.defer(() => root.close());
  const settings: Record<string, string> = {};
  for (const name of names) {
    const database = `shoal_overload_${name}`;
    await sql`drop database if exists ${sql.id(database)}`.execute(root.db);
    await sql`create database ${sql.id(database)}`.execute(root.db);
    stack.defer(async () => {
      await sql`drop database if exists ${sql.id(database)}`.execute(root.db);
    });
    settings[`SHOAL_${name.toUpperCase()}_DATABASE_URL`] = inDatabase(url, database);
  }
  return settings;
}

function inDatabase(url: URL, database: string): string {
  const there = new URL(url);
  there.pathname = `/${database}`;
  return there.href;
}
