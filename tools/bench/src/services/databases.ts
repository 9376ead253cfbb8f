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

/**
 * Creates an empty database for each service on a server, and answers the settings by which each finds its own. Their names
 * begin with `prefix` and are new each time, so that nobody else's are touched. They go with `stack`.
 */
export async function createDatabases(
  stack: AsyncDisposableStack,
  serverUrl: string,
  prefix: string,
): Promise<Record<string, string>> {
  const root = openDatabase(inDatabase(serverUrl, "mysql"));
  stack.defer(() => root.close());
  const settings: Record<string, string> = {};
  const run = randomBytes(4).toString("hex");
  for (const name of serviceNames) {
    const database = `${prefix}_${run}_${name}`;
    await sql`create database ${sql.id(database)}`.execute(root.db);
    stack.defer(async () => {
      await sql`drop database if exists ${sql.id(database)}`.execute(root.db);
    });
    settings[`SHOAL_${name.toUpperCase()}_DATABASE_URL`] = inDatabase(serverUrl, database);
  }
  return settings;
}

/** The URL of a database on the server that `serverUrl` names, whatever database that names. */
export function inDatabase(serverUrl: string, database: string): string {
  const there = new URL(serverUrl);
  there.pathname = `/${database}`;
  return there.href;
}
