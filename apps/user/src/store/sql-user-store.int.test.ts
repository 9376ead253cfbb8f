import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { migrate, openDatabase } from "@shoal/storage";
import { type StorageEngine, storageEngines } from "@shoal/testkit";
import type { User } from "../domain/user.ts";
import { migrations } from "./migrations.ts";
import { createSqlUserStore, type UserTables } from "./sql-user-store.ts";
import { userStoreContract } from "./user-store.contract.ts";

async function open(t: TestContext, { createDatabase }: StorageEngine) {
  const database = openDatabase<UserTables>(await createDatabase(t));
  t.after(() => database.close());
  await migrate(database, migrations);
  return { database, store: createSqlUserStore(database) };
}

for (const engine of storageEngines) {
  userStoreContract(engine.name, async (t) => (await open(t, engine)).store, engine.options);

  test(
    `${engine.name} user store publishes each change once, and nothing that changes nothing`,
    engine.options,
    async (t) => {
      const { database, store } = await open(t, engine);
      const ada: User = {
        id: "0190a000-0000-7000-8000-000000000001",
        email: "ada@example.com",
        displayName: "Ada",
        status: "active",
        version: 1,
        createdAtMs: 1_000,
        updatedAtMs: 1_000,
      };
      await store.insert(ada);
      await store.insert({ ...ada, id: "0190a000-0000-7000-8000-000000000002" });
      await store.replace({ ...ada, version: 2, displayName: "Ada L." }, 1);
      await store.replace({ ...ada, version: 2 }, 1);
      for (const _ of ["once", "again"]) await store.deactivate(ada.id, 2_000);
      const rows = await database.db.selectFrom("outbox").selectAll().orderBy("event_key").orderBy("version").execute();
      assert.deepEqual(
        rows.map(({ event_key, version, payload }) => [event_key, version, payload]),
        [
          [ada.id, 1, '["active"]'],
          [ada.id, 2, '["active"]'],
          [ada.id, 3, '["inactive"]'],
        ],
      );
    },
  );
}
