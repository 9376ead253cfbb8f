import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { findDatabaseServerBinary } from "./database-server-binary.ts";
import { startDatabaseServer } from "./database-server-process.ts";
import { createTestDatabase, databaseServer, needsDatabaseServer } from "./database-servers.ts";

async function query(url: string, sql: string): Promise<RowDataPacket[]> {
  const connection = await createConnection(url);
  try {
    const [rows] = await connection.query<RowDataPacket[]>(sql);
    return rows;
  } finally {
    await connection.end();
  }
}

test("gives a test an empty utf8mb4 database, strict and in UTC", needsDatabaseServer(), async (t) => {
  const url = await createTestDatabase(t);
  const [settings] = await query(
    url,
    "SELECT database() AS name, @@character_set_database AS charset, @@sql_mode AS mode, @@time_zone AS zone",
  );
  assert.equal(`/${settings?.["name"]}`, new URL(url).pathname);
  assert.equal(settings?.["charset"], "utf8mb4");
  assert.match(settings?.["mode"], /STRICT_TRANS_TABLES/);
  assert.equal(settings?.["zone"], "+00:00");
  assert.deepEqual(await query(url, "SHOW TABLES"), []);
});

test("keeps a test's user to its own database", needsDatabaseServer(), async (t) => {
  const mine = await createTestDatabase(t);
  const other = new URL(await createTestDatabase(t)).pathname.slice(1);
  await assert.rejects(query(mine, `CREATE TABLE ${other}.t (id INT)`), /denied/);
  await query(mine, "CREATE TABLE t (id INT PRIMARY KEY)");
});

test("drops the database after the test, even with a transaction left open", needsDatabaseServer(), async (t) => {
  const server = (await databaseServer()) ?? "";
  let name = "";
  await t.test("leaves a connection open", async (inner) => {
    const url = await createTestDatabase(inner);
    name = new URL(url).pathname.slice(1);
    const left = await createConnection(url);
    left.on("error", () => {});
    await left.query("CREATE TABLE t (id INT PRIMARY KEY)");
    await left.beginTransaction();
    await left.query("INSERT INTO t VALUES (1)");
  });
  assert.deepEqual(await query(server, `SHOW DATABASES LIKE '${name}'`), []);
  assert.deepEqual(await query(server, `SELECT user FROM mysql.user WHERE user = '${name}'`), []);
});

const binary = findDatabaseServerBinary();
const needsBinary = binary === undefined ? { skip: "no MySQL-protocol server program on this machine" } : {};

test("a private server ends with its data when it is stopped", needsBinary, async () => {
  const server = await startDatabaseServer(binary ?? "");
  const [place] = await query(server.url, "SELECT @@datadir AS path");
  assert.ok(existsSync(place?.["path"]));
  await server.stop();
  assert.ok(!existsSync(place?.["path"]));
  await assert.rejects(query(server.url, "SELECT 1"), { code: "ECONNREFUSED" });
});

test(
  "a durable private server that is killed has what was committed when it is started again",
  needsBinary,
  async () => {
    const server = await startDatabaseServer(binary ?? "", { durable: true });
    try {
      const [settings] = await query(
        server.url,
        "SELECT @@log_bin AS log, @@sync_binlog AS sync, @@innodb_flush_log_at_trx_commit AS flush",
      );
      assert.deepEqual({ ...settings }, { log: 1, sync: 1, flush: 1 });
      await query(server.url, "CREATE DATABASE d");
      await query(server.url, "CREATE TABLE d.t (id INT PRIMARY KEY)");
      await query(server.url, "INSERT INTO d.t VALUES (7)");
      await server.kill();
      await assert.rejects(query(server.url, "SELECT 1"), { code: "ECONNREFUSED" });
      await server.restart();
      assert.deepEqual(
        (await query(server.url, "SELECT id FROM d.t")).map(({ id }) => id),
        [7],
      );
    } finally {
      await server.stop();
    }
  },
);
