import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@shoal/kernel";
import { needsDatabaseServer } from "@shoal/testkit";
import { findDatabaseServerBinary, startDatabaseServer } from "@shoal/testkit/database-server-process";
import { sql } from "kysely";
import { createConnection } from "mysql2/promise";
import { openDatabase } from "./database.ts";

const binary = findDatabaseServerBinary();
const options =
  binary === undefined ? { skip: "there is no database server's program to start" } : needsDatabaseServer();

test("MySQL that takes no writes for a while says so, and what is tried again later succeeds", options, async (t) => {
  const server = await startDatabaseServer(binary ?? "");
  t.after(() => server.stop());
  const root = await createConnection(server.url);
  t.after(() => root.end());
  for (const statement of [
    "create database fault",
    "create user 'someone'@'%' identified by 'secret'",
    "grant all privileges on fault.* to 'someone'@'%'",
  ])
    await root.query(statement);
  const url = new URL(server.url);
  url.username = "someone";
  url.password = "secret";
  url.pathname = "/fault";
  const database = openDatabase<{ counters: { id: number } }>(url.href);
  t.after(() => database.close());
  await sql`create table counters (id int primary key)`.execute(database.db);
  const connectionId = async () => {
    const { rows } = await sql<{ id: bigint }>`select connection_id() as id`.execute(database.db);
    return rows[0]?.id;
  };
  const before = await connectionId();

  await root.query("set global read_only = 1");
  const insert = (id: number) => database.transaction((tx) => tx.insertInto("counters").values({ id }).execute());
  await assert.rejects(insert(1), (error) => {
    assert.ok(isAppError(error, "DATABASE_READ_ONLY"), String(error));
    assert.deepEqual([error.kind, error.retryAfterMs], ["unavailable", 1_000]);
    return true;
  });
  assert.deepEqual(await database.db.selectFrom("counters").selectAll().execute(), [], "it can be read");
  assert.notEqual(await connectionId(), before, "whoever takes changes by now may be reached by a new connection only");
  await root.query("set global read_only = 0");
  await insert(1);
});
