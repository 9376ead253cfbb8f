import { randomBytes } from "node:crypto";
import { openDatabase } from "@shoal/storage";
import { findDatabaseServerBinary, startDatabaseServer } from "@shoal/testkit/database-server-process";
import { sql } from "kysely";
import { serviceNames } from "./start-services.ts";

/**
 * Starts a private MariaDB or MySQL whose commits are on the disk, and in its binary log, before they count; answers root's
 * URL. It ends with `stack`. Throws an `Error` that says `instead` where none is installed.
 */
export async function startDurableServer(stack: AsyncDisposableStack, instead: string): Promise<string> {
  const binary = findDatabaseServerBinary();
  if (binary === undefined) throw new Error(`${instead}, or install MariaDB`);
  const server = await startDatabaseServer(binary, { durable: true });
  stack.defer(() => server.stop());
  return server.url;
}

/** Creates a database for each service (see {@link createDatabase}), and answers the settings by which each finds its own. */
export async function createDatabases(
  stack: AsyncDisposableStack,
  serverUrl: string,
  prefix: string,
): Promise<Record<string, string>> {
  const settings: Record<string, string> = {};
  for (const name of serviceNames)
    settings[`SHOAL_${name.toUpperCase()}_DATABASE_URL`] = await createDatabase(stack, serverUrl, `${prefix}_${name}`);
  return settings;
}

/**
 * Creates an empty database on a server, and answers its URL. Its name begins with `prefix` and is new each time, so that
 * nobody else's is touched. It goes with `stack`.
 */
export async function createDatabase(stack: AsyncDisposableStack, serverUrl: string, prefix: string): Promise<string> {
  const root = openDatabase(inDatabase(serverUrl, "mysql"), { maxConnections: 1 });
  stack.defer(() => root.close());
  const database = `${prefix}_${randomBytes(4).toString("hex")}`;
  await sql`create database ${sql.id(database)}`.execute(root.db);
  stack.defer(async () => {
    await sql`drop database if exists ${sql.id(database)}`.execute(root.db);
  });
  return inDatabase(serverUrl, database);
}

/** The URL of a database on the server that `serverUrl` names, whatever database that names. */
export function inDatabase(serverUrl: string, database: string): string {
  const there = new URL(serverUrl);
  there.pathname = `/${database}`;
  return there.href;
}
