import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createContext, isAppError, runWithContext } from "@shoal/kernel";
import { databaseServer, needsDatabaseServer, type StorageEngine, storageEngines, until } from "@shoal/testkit";
import { sql } from "kysely";
import { createConnection } from "mysql2/promise";
import { type Database, type DatabaseOptions, openDatabase } from "./database.ts";
import { isUniqueViolation } from "./errors.ts";
import { type Migration, migrate } from "./migrations.ts";

interface Tables {
  counters: { id: string; label: string; small: number; large: bigint };
}

const first: Migration = {
  name: "0001-counters",
  statements: ({ key, text, int, bigint, tableOptions }) => [
    sql`create table if not exists counters (
      id ${key} not null primary key, label ${text(40)} not null, small ${int} not null, large ${bigint} not null
    ) ${tableOptions}`,
  ],
};
const second: Migration = {
  name: "0002-index",
  statements: () => [sql`create index counters_small on counters (small)`],
};

async function open(t: TestContext, engine: StorageEngine, options?: Partial<DatabaseOptions>) {
  const url = await engine.createDatabase(t);
  const connect = () => {
    const database = openDatabase<Tables>(url, options);
    t.after(() => database.close());
    return database;
  };
  const database = connect();
  await migrate(database, [first]);
  return { database, connect };
}

const insert = ({ db }: Pick<Database<Tables>, "db">, id: string) =>
  db.insertInto("counters").values({ id, label: "Zähler 🧮", small: 0, large: 0n }).execute();

const small = async ({ db }: Database<Tables>, id: string) =>
  (await db.selectFrom("counters").select("small").where("id", "=", id).executeTakeFirst())?.small;

for (const engine of storageEngines) {
  const it = (does: string, run: (t: TestContext) => Promise<void>) =>
    test(`${engine.name} ${does}`, engine.options, run);

  it("reads 32 bits as number, 64 bits as bigint, text by code point", async (t) => {
    const { database } = await open(t, engine);
    const row = { id: "a", label: "Zähler 🧮", small: -(2 ** 31), large: 2n ** 63n - 1n };
    await database.db.insertInto("counters").values(row).execute();
    assert.deepEqual({ ...(await database.db.selectFrom("counters").selectAll().executeTakeFirst()) }, row);
    const other = database.db.selectFrom("counters").select("id").where("label", "=", "zähler 🧮");
    assert.equal(await other.executeTakeFirst(), undefined);
  });

  it("refuses a value of another type or out of range", async (t) => {
    const { database } = await open(t, engine);
    const bad = (small: unknown, large: unknown) =>
      database.db
        .insertInto("counters")
        .values({ id: "a", label: "", small, large } as never)
        .execute();
    await assert.rejects(bad("many", 0n));
    await assert.rejects(bad(0, 2n ** 63n));
  });

  it("tells a key that exists from other failures", async (t) => {
    const { database } = await open(t, engine);
    await insert(database, "a");
    await assert.rejects(insert(database, "a"), (error) => isUniqueViolation(error));
    await assert.rejects(sql`select * from nowhere`.execute(database.db), (error) => !isUniqueViolation(error));
  });

  it("commits all of a transaction or nothing", async (t) => {
    const { database } = await open(t, engine);
    const failing = database.transaction(async (tx) => {
      await insert({ db: tx }, "a");
      throw new Error("changed my mind");
    });
    await assert.rejects(failing, /changed my mind/);
    assert.equal(await small(database, "a"), undefined);
    await database.transaction(async (tx) => insert({ db: tx }, "b"));
    assert.equal(await small(database, "b"), 0);
  });

  it("loses no update of many transactions at once", async (t) => {
    const { database } = await open(t, engine);
    await insert(database, "a");
    const increment = () =>
      database.transaction((tx) =>
        tx
          .updateTable("counters")
          .set(({ eb }) => ({ small: eb("small", "+", 1) }))
          .where("id", "=", "a")
          .execute(),
      );
    await Promise.all(Array.from({ length: 200 }, increment));
    assert.equal(await small(database, "a"), 200);
  });

  it("refuses a caller when too many wait, and goes on afterwards", async (t) => {
    const { database } = await open(t, engine, { maxConnections: 1, maxWaiting: 1 });
    const release = Promise.withResolvers<void>();
    const holding = Promise.withResolvers<void>();
    const holder = database.transaction(async (tx) => {
      await sql`select 1`.execute(tx);
      holding.resolve();
      await release.promise;
    });
    await holding.promise;
    const waiting = small(database, "a");
    await assert.rejects(small(database, "a"), (error) => isAppError(error, "DATABASE_BUSY"));
    release.resolve();
    await Promise.all([holder, waiting]);
    assert.equal(await small(database, "a"), undefined);
  });

  it("stops waiting for a connection when the call that it is for ends", async (t) => {
    const { database } = await open(t, engine, { maxConnections: 1 });
    const release = Promise.withResolvers<void>();
    const holding = Promise.withResolvers<void>();
    const holder = database.transaction(async (tx) => {
      await sql`select 1`.execute(tx);
      holding.resolve();
      await release.promise;
    });
    await holding.promise;
    const controller = new AbortController();
    const context = createContext({ requestId: "r", signal: controller.signal });
    const waiting = runWithContext(context, () => small(database, "a"));
    controller.abort();
    await assert.rejects(waiting, (error) => isAppError(error, "CALL_ENDED"));
    release.resolve();
    await holder;
  });

  it("migrates once when instances start together", async (t) => {
    const { database, connect } = await open(t, engine);
    await Promise.all([migrate(database, [first, second]), migrate(connect(), [first, second])]);
    await migrate(database, [first, second]);
    const applied = await sql`select name from shoal_migration order by name`.execute(database.db);
    assert.deepEqual(
      applied.rows.map((row) => ({ ...(row as object) })),
      [{ name: first.name }, { name: second.name }],
    );
  });

  it("finishes a migration that a crash cut off between its statements and the note that it was made", async (t) => {
    const { database } = await open(t, engine);
    await migrate(database, [first, second]);
    // SQLite makes a migration and the note in one transaction, so there a crash leaves neither.
    if (engine.name === "SQLite") await sql`drop index counters_small`.execute(database.db);
    await sql`delete from shoal_migration where name = ${second.name}`.execute(database.db);
    await migrate(database, [first, second]);
    await assert.rejects(migrate(database, [first]), /written by a newer release/);
  });

  it("refuses a database of a newer release and leaves it alone", async (t) => {
    const { database } = await open(t, engine);
    await migrate(database, [first, second]);
    await assert.rejects(migrate(database, [first]), /0002-index.*written by a newer release/);
  });
}

test("MySQL that cannot be reached is unavailable", async (t) => {
  // Port 1 of the loopback address: nothing listens there.
  const database = openDatabase<Tables>("mysql://nobody:secret@127.0.0.1:1/none");
  t.after(() => database.close());
  await assert.rejects(small(database, "a"), (error) => isAppError(error, "DATABASE_UNAVAILABLE"));
});

test("a SQLite file that another process holds is waited for, then unavailable, and the wait ends with the lock", async (t) => {
  const [engine] = storageEngines;
  assert.ok(engine);
  const { database, connect } = await open(t, engine);
  const other = connect();
  const release = Promise.withResolvers<void>();
  const holding = Promise.withResolvers<void>();
  const holder = other.transaction(async () => {
    holding.resolve();
    await release.promise;
  });
  await holding.promise;
  const startedAt = performance.now();
  await assert.rejects(insert(database, "a"), (error) => isAppError(error, "DATABASE_LOCKED"));
  await assert.rejects(
    database.transaction((tx) => insert({ db: tx }, "a")),
    (error) => isAppError(error, "DATABASE_LOCKED"),
  );
  // Two waits of 5 s: attempts do not multiply them.
  assert.ok(performance.now() - startedAt < 15_000);
  const waiting = insert(database, "a");
  release.resolve();
  await Promise.all([holder, waiting]);
});

test("a SQLite file where no folder can be made is an error, at once", async (t) => {
  const database = openDatabase<Tables>("sqlite:/proc/nowhere/x.db");
  t.after(() => database.close());
  await assert.rejects(small(database, "a"), /ENOENT.*\/proc\/nowhere/);
});

test(
  "a MySQL statement is stopped in the server when its call ends, and the connection goes on",
  needsDatabaseServer(),
  async (t) => {
    const [, engine] = storageEngines;
    assert.ok(engine);
    const { database } = await open(t, engine, { maxConnections: 1 });
    const root = await createConnection((await databaseServer()) ?? "");
    t.after(() => root.end());
    const marked = async () => {
      const [rows] = await root.query(
        "select id from information_schema.processlist where info like '%shoal-marked%' and info not like '%processlist%'",
      );
      return (rows as unknown[]).length;
    };
    for (let round = 0; round < 5; round += 1) {
      const controller = new AbortController();
      const context = createContext({ requestId: "r", signal: controller.signal });
      const working = runWithContext(context, () =>
        database.transaction(async (tx) => {
          await insert({ db: tx }, "a");
          await sql`select sleep(60) as \`shoal-marked\``.execute(tx);
        }),
      );
      const failed = assert.rejects(working, (error) => isAppError(error, "CALL_ENDED"));
      await until("the statement is at work", async () => (await marked()) > 0);
      const abortedAt = performance.now();
      controller.abort();
      await failed;
      assert.ok(performance.now() - abortedAt < 5_000);
      assert.equal(await marked(), 0);
      assert.equal(await small(database, "a"), undefined);
    }
  },
);

for (const engine of storageEngines)
  test(
    `${engine.name} begins no statement for a call that has ended, and takes back what it did`,
    engine.options,
    async (t) => {
      const { database } = await open(t, engine);
      const controller = new AbortController();
      const context = createContext({ requestId: "r", signal: controller.signal });
      const working = runWithContext(context, () =>
        database.transaction(async (tx) => {
          await insert({ db: tx }, "a");
          controller.abort();
          await insert({ db: tx }, "b");
        }),
      );
      await assert.rejects(working, (error) => isAppError(error, "CALL_ENDED"));
      assert.equal(await small(database, "a"), undefined);
    },
  );

test("options out of range are refused by name", () => {
  assert.throws(() => openDatabase("sqlite:x.db", { maxConnections: 0 }), /maxConnections must be a whole number/);
});

test(
  "a MySQL connection that is cut within a transaction is unavailable, and is replaced",
  needsDatabaseServer(),
  async (t) => {
    const [, engine] = storageEngines;
    assert.ok(engine);
    const { database } = await open(t, engine, { maxConnections: 1 });
    const root = await createConnection((await databaseServer()) ?? "");
    t.after(() => root.end());
    for (const pause of [0, 100]) {
      const cut = database.transaction(async (tx) => {
        const { rows } = await sql<{ id: bigint }>`select connection_id() as id`.execute(tx);
        await root.query(`kill ${rows[0]?.id}`);
        // Whether the driver has noticed yet decides which error it has.
        await sleep(pause);
        await insert({ db: tx }, "a");
      });
      await assert.rejects(cut, (error) => isAppError(error, "DATABASE_UNAVAILABLE"), `after ${pause} ms`);
      assert.equal(await small(database, "a"), undefined);
    }
  },
);
