import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@shoal/kernel";
import { storageEngines } from "@shoal/testkit";
import { sql, type Transaction } from "kysely";
import { openDatabase } from "./database.ts";

interface Tables {
  counters: { id: number; value: number };
}

for (const engine of storageEngines.filter(({ name }) => name === "MySQL"))
  test(
    `${engine.name}: a transaction that waits for a lock in vain is run anew, and then told as contended`,
    engine.options,
    async (t) => {
      const database = openDatabase<Tables>(await engine.createDatabase(t), { maxAttempts: 2 });
      t.after(() => database.close());
      const { db } = database;
      await sql`create table counters (id int primary key, value int not null)`.execute(db);
      await db.insertInto("counters").values({ id: 1, value: 0 }).execute();
      let attempts = 0;
      const increment = () =>
        database.transaction(async (tx: Transaction<Tables>) => {
          attempts += 1;
          await sql`set session innodb_lock_wait_timeout = 1`.execute(tx);
          await tx
            .updateTable("counters")
            .set(({ eb }) => ({ value: eb("value", "+", 1) }))
            .execute();
        });
      const held = Promise.withResolvers<void>();
      const release = Promise.withResolvers<void>();
      const holding = database.transaction(async (tx) => {
        await tx.selectFrom("counters").selectAll().forUpdate().execute();
        held.resolve();
        await release.promise;
      });
      await held.promise;
      await assert.rejects(
        increment(),
        (error) => isAppError(error, "DATABASE_CONTENDED") && error.kind === "unavailable",
      );
      assert.equal(attempts, 2);
      const waiting = increment();
      release.resolve();
      await Promise.all([holding, waiting]);
      assert.deepEqual(await db.selectFrom("counters").select("value").execute(), [{ value: 1 }]);
    },
  );
