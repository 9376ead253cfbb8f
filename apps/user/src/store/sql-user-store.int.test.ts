import { migrate, openDatabase } from "@shoal/storage";
import { storageEngines } from "@shoal/testkit";
import { migrations } from "./migrations.ts";
import { createSqlUserStore, type UserTables } from "./sql-user-store.ts";
import { userStoreContract } from "./user-store.contract.ts";

for (const { name, options, createDatabase } of storageEngines) {
  userStoreContract(
    name,
    async (t) => {
      const database = openDatabase<UserTables>(await createDatabase(t));
      t.after(() => database.close());
      await migrate(database, migrations);
      return createSqlUserStore(database);
    },
    options,
  );
}
