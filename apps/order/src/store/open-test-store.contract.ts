import type { TestContext } from "node:test";
import { migrate, openDatabase } from "@shoal/storage";
import type { StorageEngine } from "@shoal/testkit";
import type { OrderStore } from "../domain/ports.ts";
import { batched, unbatched } from "./batched-order-store.ts";
import { migrations } from "./migrations.ts";
import { createSqlOrderStore } from "./sql-order-store.ts";
import type { OrderTables } from "./tables.ts";

/** An empty store on an engine, for as long as the test, and what it has published so far: `<order id> <status>`. */
export async function openTestStore(
  t: TestContext,
  engine: StorageEngine,
  { batching = true }: { readonly batching?: boolean } = {},
): Promise<{ readonly store: OrderStore; readonly published: () => Promise<readonly string[]> }> {
  const database = openDatabase<OrderTables>(await engine.createDatabase(t));
  t.after(() => database.close());
  await migrate(database, migrations);
  const sqlStore = createSqlOrderStore(database);
  const published = async () => {
    const rows = database.db
      .selectFrom("outbox")
      .select(["event_key", "payload"])
      .orderBy("event_key")
      .orderBy("version");
    return (await rows.execute()).map(({ event_key, payload }) => `${event_key} ${JSON.parse(payload)[1]}`);
  };
  return { store: batching ? batched(sqlStore) : unbatched(sqlStore), published };
}
