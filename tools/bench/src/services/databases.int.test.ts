import assert from "node:assert/strict";
import { test } from "node:test";
import { openDatabase } from "@shoal/storage";
import { databaseServer, needsDatabaseServer } from "@shoal/testkit";
import { sql } from "kysely";
import { createDatabases, inDatabase } from "./databases.ts";

test("two runs on one server have databases of their own, which go with each", needsDatabaseServer(), async (t) => {
  const url = (await databaseServer()) ?? "";
  const root = openDatabase(inDatabase(url, "mysql"), { maxConnections: 1 });
  t.after(() => root.close());
  const isThere = async (database: string | undefined) => {
    const name = new URL(database ?? "").pathname.slice(1);
    const { rows } = await sql`select 1 from information_schema.schemata where schema_name = ${name}`.execute(root.db);
    return rows.length === 1;
  };
  await using first = new AsyncDisposableStack();
  await using second = new AsyncDisposableStack();
  const setting = "SHOAL_ORDER_DATABASE_URL";
  const one = (await createDatabases(first, url, "shoal_test"))[setting];
  const other = (await createDatabases(second, url, "shoal_test"))[setting];
  assert.notEqual(one, other);
  await first.disposeAsync();
  assert.deepEqual([await isThere(one), await isThere(other)], [false, true]);
});
