import type { TestContext } from "node:test";
import { migrate, openDatabase } from "@shoal/storage";
import type { StorageEngine } from "@shoal/testkit";
import type { OrderStore } from "../domain/ports.ts";
import { migrations } from "./migrations.ts";
import { createSqlOrderStore, type OrderTables } from "./sql-order-store.ts";

/** An empty store on an engine, for as long as the test. */
export async function openTestStore(t: TestContext, engine: StorageEngine): Promise<OrderStore> {
  const database = openDatabase<OrderTables>(await engine.createDatabase(t));
  t.after(() => database.close());
  await migrate(database, migrations);
  return createSqlOrderStore(database);
}
