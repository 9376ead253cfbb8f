import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isAppError } from "@shoal/kernel";
import { type StorageEngine, storageEngines, until } from "@shoal/testkit";
import { sql, type Transaction } from "kysely";
import { type Connection, createConnection } from "mysql2/promise";
import { type DatabaseOptions, openDatabase } from "./database.ts";

interface Tables {
  counters: { id: number; value: number };
}

/** Rows that a foreign session changes, so that of two transactions in a circle the server gives up the other one. */
const foreignRows = 100;

/** Counters, and a foreign session on the same database. */
async function open(t: TestContext, engine: StorageEngine, options: Partial<DatabaseOptions> = {}) {
  const url = await engine.createDatabase(t);
  const database = openDatabase<Tables>(url, options);
  t.after(() => database.close());
  const foreign = await createConnection(url);
  t.after(() => foreign.end());
  const { db } = database;
  await sql`create table counters (id int primary key, value int not null)`.execute(db);
  const rows = Array.from({ length: 2 + foreignRows }, (_, n) => ({ id: n + 1, value: 0 }));
  await db.insertInto("counters").values(rows).execute();
  return { database, foreign };
}

const increment = (db: Pick<Transaction<Tables>, "updateTable">, id: number) =>
  db
    .updateTable("counters")
    .set(({ eb }) => ({ value: eb("value", "+", 1) }))
    .where("id", "=", id)
    .execute();

const isContended = (error: unknown) => {
  assert.ok(isAppError(error, "DATABASE_CONTENDED"), String(error));
  assert.deepEqual([error.kind, error.retryAfterMs], ["unavailable", 100]);
  return true;
};

for (const engine of storageEngines.filter(({ name }) => name === "MySQL")) {
  /** A transaction that locks row 1 and then row 2, which a foreign session has locked that then wants row 1. */
  const meetInCircle = async (t: TestContext, options: Partial<DatabaseOptions> = {}) => {
    const { database, foreign } = await open(t, engine, options);
    await foreign.beginTransaction();
    await foreign.query("update counters set value = value + 10 where id > 1");
    let attempts = 0;
    let foreignDone: Promise<unknown> = Promise.resolve();
    const ours = database.transaction(async (tx) => {
      attempts += 1;
      await increment(tx, 1);
      if (attempts === 1)
        foreignDone = foreign.query("update counters set value = value + 10 where id = 1").then(() => foreign.commit());
      await increment(tx, 2);
    });
    const [outcome] = await Promise.allSettled([ours]);
    await foreignDone;
    return { outcome, attempts, values: await firstTwo(foreign) };
  };

  const firstTwo = async (foreign: Connection) => {
    const [rows] = await foreign.query("select value from counters where id < 3 order by id");
    return (rows as { value: number }[]).map(({ value }) => value);
  };

  test(
    `${engine.name}: a transaction that the server gave up for a deadlock is run anew`,
    engine.options,
    async (t) => {
      const { outcome, attempts, values } = await meetInCircle(t);
      assert.deepEqual(outcome, { status: "fulfilled", value: undefined });
      assert.deepEqual([attempts, values], [2, [11, 11]]);
    },
  );

  test(`${engine.name}: a deadlock is told as contended after the last attempt`, engine.options, async (t) => {
    const { outcome, attempts, values } = await meetInCircle(t, { maxAttempts: 1 });
    assert.ok(outcome.status === "rejected" && isContended(outcome.reason));
    assert.deepEqual([attempts, values], [1, [10, 10]]);
  });

  test(
    `${engine.name}: a lock that is waited for in vain is told as contended soon, in a transaction, which is taken back whole, and without`,
    engine.options,
    async (t) => {
      const { database, foreign } = await open(t, engine);
      await foreign.beginTransaction();
      await foreign.query("select * from counters where id = 1 for update");
      const began = performance.now();
      const ours = database.transaction(async (tx) => {
        // The server itself takes back no more than the statement that waited.
        await increment(tx, 2);
        await increment(tx, 1);
      });
      const both = await Promise.allSettled([ours, increment(database.db, 1)]);
      for (const outcome of both) assert.ok(outcome.status === "rejected" && isContended(outcome.reason));
      assert.ok(performance.now() - began < 4_000, "told within the server's second");
      assert.deepEqual(await firstTwo(foreign), [0, 0]);
      await foreign.commit();
      await increment(database.db, 1);
      await increment(database.db, 2);
    },
  );

  test(`${engine.name}: who says nothing more for two minutes loses its locks`, engine.options, async (t) => {
    const { database } = await open(t, engine);
    const { rows } = await sql<{ seconds: bigint }>`select @@session.wait_timeout as seconds`.execute(database.db);
    assert.deepEqual(rows, [{ seconds: 120n }]);
  });

  test(
    `${engine.name}: work that an operator stops is told as such, and its connection goes on`,
    engine.options,
    async (t) => {
      const { database, foreign } = await open(t, engine, { maxConnections: 1 });
      const { db } = database;
      const { rows } = await sql<{ id: bigint }>`select connection_id() as id`.execute(db);
      await foreign.beginTransaction();
      await foreign.query("select * from counters where id = 1 for update");
      const stopped = assert.rejects(
        database.transaction((tx) => increment(tx, 1)),
        (error) => isAppError(error, "DATABASE_INTERRUPTED") && error.kind === "unavailable",
      );
      await until("it waits", async () => {
        const [waiting] = await foreign.query(
          "select id from information_schema.processlist where info like 'update%'",
        );
        return (waiting as unknown[]).length === 1;
      });
      await foreign.query(`kill query ${rows[0]?.id}`);
      await stopped;
      await foreign.commit();
      await increment(db, 1);
      assert.deepEqual(await sql`select connection_id() as id`.execute(db).then((again) => again.rows), rows);
    },
  );
}
