import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { databaseServer, needsDatabaseServer, temporaryDirectory } from "@shoal/testkit";
import { checkDatabases } from "./database-check.ts";

/** A service's database that holds an order, and nothing else. */
async function databaseWith(t: TestContext, orderId: string): Promise<string> {
  const path = join(await temporaryDirectory(t), "order.db");
  const database = new DatabaseSync(path);
  database.exec(`create table orders (id text primary key); insert into orders values ('${orderId}')`);
  database.close();
  return `sqlite:${path}`;
}

const check = (order: string, inventory = order) =>
  checkDatabases({ SHOAL_ORDER_DATABASE_URL: order, SHOAL_INVENTORY_DATABASE_URL: inventory }, "mine");

test("databases that are not there, or another system's, are not checked, and it says why", async (t) => {
  const nowhere = "sqlite:/nowhere/order.db";
  const absent = [
    [await check(nowhere), /not checked: there is no database \/nowhere\/order\.db/],
    [await check("mysql://shoal:secret@127.0.0.1:1/orders"), /not checked: .*ECONNREFUSED/],
    [await check(await databaseWith(t, "another")), /not checked: those of this environment are another system's/],
    [await check(await databaseWith(t, "mine"), nowhere), /not checked: there is no database/],
  ] as const;
  for (const [{ words, ok }, why] of absent) {
    assert.match(words, why);
    assert.match(words, /npm run check:invariants/);
    assert.ok(ok);
  }
});

test("databases that are there and cannot be read are a fault, which it tells", async (t) => {
  const file = join(await temporaryDirectory(t), "order.db");
  await writeFile(file, "This is no database, though there is a file of its name.");
  const { words, ok } = await check(`sqlite:${file}`);
  assert.equal(words, "the order service's database cannot be read: file is not a database");
  assert.ok(!ok);
  assert.ok(!(await check(await databaseWith(t, "mine"), `sqlite:${file}`)).ok);
  assert.match((await check("postgres://shoal@db/orders")).words, /^the order service's database cannot be read: /);
});

test("so is a wrong password; that the server has no such database is none", needsDatabaseServer(), async () => {
  const url = new URL((await databaseServer()) ?? "");
  url.pathname = "/shoal_of_nobody";
  const absent = await check(url.href);
  assert.match(absent.words, /not checked: .*Unknown database 'shoal_of_nobody'/);
  assert.ok(absent.ok);
  url.password = "wrong";
  const denied = await check(url.href);
  assert.match(denied.words, /^the order service's database cannot be read: Access denied/);
  assert.ok(!denied.ok);
});
