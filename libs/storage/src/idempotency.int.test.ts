import assert from "node:assert/strict";
import { test } from "node:test";
import { storageEngines } from "@shoal/testkit";
import type { KyselyPlugin } from "kysely";
import { openDatabase } from "./database.ts";
import { isUniqueViolation } from "./errors.ts";
import { findRecords, type IdempotencyTables, idempotencySchema, insertRecords, pruneRecords } from "./idempotency.ts";
import { migrate } from "./migrations.ts";

for (const engine of storageEngines) {
  test(
    `${engine.name} keeps the first answer to a request, all of a transaction or none, until it is old`,
    engine.options,
    async (t) => {
      const database = openDatabase<IdempotencyTables>(await engine.createDatabase(t));
      t.after(() => database.close());
      await migrate(database, [{ name: "0001-answers", statements: idempotencySchema }]);
      const record = (id: string, atMs: number, error?: string) => ({ id, fingerprint: "f", error, atMs });
      const keep = (...records: ReturnType<typeof record>[]) =>
        database.transaction((tx) => insertRecords(tx, records));

      const refused = record("b", 2_000, JSON.stringify({ message: "Größe 🧦".repeat(2_000) }));
      await keep(record("a", 1_000), refused);
      await assert.rejects(keep(record("c", 3_000), record("a", 3_000, "other")), isUniqueViolation);
      const found = await findRecords(database.db, ["a", "b", "c"]);
      assert.deepEqual(
        found.toSorted((one, other) => (one.id < other.id ? -1 : 1)),
        [record("a", 1_000), refused],
      );
      assert.deepEqual(await findRecords(database.db, []), []);

      const results = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => keep(record("d", 4_000 + n))));
      assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);

      assert.equal(await pruneRecords(database, { beforeMs: 3_000, limit: 1 }), 1);
      assert.equal(await pruneRecords(database, { beforeMs: 3_000, limit: 10 }), 1);
      assert.equal(await pruneRecords(database, { beforeMs: 3_000, limit: 10 }), 0);
      assert.equal((await findRecords(database.db, ["a", "b", "d"])).length, 1);
    },
  );

  test(`${engine.name} forgets no answer that is given again meanwhile`, engine.options, async (t) => {
    const database = openDatabase<IdempotencyTables>(await engine.createDatabase(t));
    t.after(() => database.close());
    await migrate(database, [{ name: "0001-answers", statements: idempotencySchema }]);
    const keep = (atMs: number) =>
      database.transaction((tx) => insertRecords(tx, [{ id: "a", fingerprint: "f", error: undefined, atMs }]));
    await keep(1_000);
    /** Another instance forgets the same one, and is asked again, between what is found and what is deleted. */
    const answerAgain: KyselyPlugin = {
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        if (result.rows.length > 0) {
          await pruneRecords(database, { beforeMs: 2_000, limit: 1 });
          await keep(3_000);
        }
        return result;
      },
    };
    const slow = { ...database, db: database.db.withPlugin(answerAgain) };
    assert.equal(await pruneRecords(slow, { beforeMs: 2_000, limit: 1 }), 0);
    assert.equal((await findRecords(database.db, ["a"]))[0]?.atMs, 3_000);
  });
}
