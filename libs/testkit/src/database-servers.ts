import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import { createConnection } from "mysql2/promise";
import { findDatabaseServerBinary } from "./database-server-binary.ts";
import { startDatabaseServer } from "./database-server-process.ts";

/** Why there is no MySQL-protocol server for tests, or undefined when one is there or can be started. */
function whyNoServer(): string | undefined {
  if (process.env["SHOAL_TEST_MYSQL_URL"]) return undefined;
  if (process.env["SHOAL_TEST_MYSQL"] === "absent") return "no MySQL-protocol server for this test run";
  if (findDatabaseServerBinary() !== undefined) return undefined;
  return "no MySQL-protocol server: set SHOAL_TEST_MYSQL_URL or install MariaDB";
}

/**
 * Options for a test that needs a MySQL-protocol server: the test is skipped, with the reason, where there is none.
 *
 *     test("stores an order", needsDatabaseServer(), async (t) => {
 *       const url = await createTestDatabase(t);
 */
export function needsDatabaseServer(): { readonly skip?: string } {
  const reason = whyNoServer();
  return reason === undefined ? {} : { skip: reason };
}

let started: Promise<string> | undefined;

/**
 * The root URL of a MySQL-protocol server: SHOAL_TEST_MYSQL_URL (which `npm test` sets), else that of a private server,
 * started on the first call and ended with this process. Undefined when there is none (see `needsDatabaseServer`).
 * Rejects when the machine has a server and it does not start.
 */
export async function databaseServer(): Promise<string | undefined> {
  const given = process.env["SHOAL_TEST_MYSQL_URL"];
  if (given) return given;
  const binary = whyNoServer() === undefined ? findDatabaseServerBinary() : undefined;
  if (binary === undefined) return undefined;
  started ??= startDatabaseServer(binary).then(({ url }) => url);
  return await started;
}

/**
 * Creates an empty utf8mb4 database with a random name, and a user who may do everything in it and nothing elsewhere.
 * Answers that user's URL, `mysql://user:password@host:port/database`. After the test the connections that are left
 * are ended and the user and the database dropped. Rejects when there is no server.
 */
export async function createTestDatabase(t: TestContext): Promise<string> {
  const server = await databaseServer();
  if (server === undefined) throw new Error(whyNoServer());
  // No underscore: in a GRANT it would stand for any character.
  const name = `shoal${randomBytes(6).toString("hex")}`;
  const password = randomBytes(12).toString("hex");
  await execute(server, [
    `CREATE DATABASE ${name} CHARACTER SET utf8mb4`,
    `CREATE USER '${name}'@'%' IDENTIFIED BY '${password}'`,
    `GRANT ALL PRIVILEGES ON ${name}.* TO '${name}'@'%'`,
  ]);
  t.after(() => dropTestDatabase(server, name));
  const url = new URL(server);
  url.username = name;
  url.password = password;
  url.pathname = `/${name}`;
  return url.href;
}

async function dropTestDatabase(server: string, name: string): Promise<void> {
  const left = await execute(server, [
    `DROP USER '${name}'@'%'`,
    `SELECT id FROM information_schema.processlist WHERE user = '${name}'`,
  ]);
  // An open transaction would make the drop wait. A connection may also end by itself meanwhile.
  for (const { id } of left as { id: number }[]) await execute(server, [`KILL ${id}`]).catch(() => undefined);
  await execute(server, [`DROP DATABASE ${name}`]);
}

/** Runs statements in order, over a connection of their own; answers the last one's result. */
async function execute(server: string, statements: readonly string[]): Promise<unknown> {
  const connection = await createConnection(server);
  try {
    let result: unknown;
    for (const statement of statements) [result] = await connection.query(statement);
    return result;
  } finally {
    await connection.end();
  }
}
