import type { TestContext } from "node:test";
import { type Clock, systemClock } from "@shoal/kernel";
import { migrate, openDatabase } from "@shoal/storage";
import type { StorageEngine } from "@shoal/testkit";
import type { InventoryStore } from "../domain/inventory-store.ts";
import { migrations } from "./migrations.ts";
import { createSqlInventoryStore } from "./sql-inventory-store.ts";
import type { InventoryTables } from "./tables.ts";

/** An empty store on an engine, for as long as the test. */
export async function openTestStore(
  t: TestContext,
  engine: StorageEngine,
  clock: Clock = systemClock,
): Promise<InventoryStore> {
  const database = openDatabase<InventoryTables>(await engine.createDatabase(t));
  t.after(() => database.close());
  await migrate(database, migrations);
  return createSqlInventoryStore(database, clock);
}
