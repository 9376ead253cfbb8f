import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createContext, isAppError, runWithContext } from "@shoal/kernel";
import { createTestDatabase, databaseServer, needsDatabaseServer, storageEngines } from "@shoal/testkit";
import { type Kysely, sql } from "kysely";
import { createConnection } from "mysql2/promise";
import { type Database, openDatabase } from "./database.ts";

interface Tables {
  counters: { id: string };
}

test(
  "a MySQL statement that reaches the server after its call has ended is stopped there as well",
  needsDatabaseServer(),
  async (t) => {
    const { url, holdFirst } = await slowableProxy(t, await createTestDatabase(t));
    const database = openDatabase<Tables>(url, { maxConnections: 1 });
    t.after(() => database.close());
    await sql`select 1`.execute(database.db);
    const controller = new AbortController();
    const context = createContext({ requestId: "r", signal: controller.signal });
    holdFirst(200);
    const working = runWithContext(context, () => sql`select sleep(5)`.execute(database.db)).catch(() => {});
    await sleep(20);
    const abortedAt = performance.now();
    controller.abort();
    await working;
    assert.ok(performance.now() - abortedAt < 4_000, `ended after ${performance.now() - abortedAt} ms`);
  },
);

test(
  "a MySQL statement is stopped as well when the server has no room for another connection at first",
  needsDatabaseServer(),
  async (t) => {
    const url = await createTestDatabase(t);
    const root = await createConnection((await databaseServer()) ?? "");
    t.after(() => root.end());
    const limit = (connections: number) =>
      root.query(`alter user '${new URL(url).username}'@'%' with max_user_connections ${connections}`);
    await limit(1);
    const database = openDatabase<Tables>(url, { maxConnections: 1 });
    t.after(() => database.close());
    await sql`select 1`.execute(database.db);
    const controller = new AbortController();
    const context = createContext({ requestId: "r", signal: controller.signal });
    const working = runWithContext(context, () => sql`select sleep(5)`.execute(database.db)).catch(() => {});
    await sleep(50);
    const abortedAt = performance.now();
    controller.abort();
    await sleep(200);
    await limit(0);
    await working;
    assert.ok(performance.now() - abortedAt < 4_000, `ended after ${performance.now() - abortedAt} ms`);
  },
);

for (const engine of storageEngines)
  test(
    `${engine.name} takes a transaction back whose call ends after its last statement`,
    engine.options,
    async (t) => {
      const database = openDatabase<Tables>(await engine.createDatabase(t));
      t.after(() => database.close());
      await sql`create table counters (id varchar(40))`.execute(database.db);
      const controller = new AbortController();
      const context = createContext({ requestId: "r", signal: controller.signal });
      const working = runWithContext(context, () =>
        database.transaction(async (tx) => {
          await tx.insertInto("counters").values({ id: "a" }).execute();
          controller.abort();
        }),
      );
      await assert.rejects(working, (error) => isAppError(error, "CALL_ENDED"));
      assert.deepEqual(await database.db.selectFrom("counters").selectAll().execute(), []);
    },
  );

for (const engine of storageEngines)
  test(
    `${engine.name} begins and commits nothing when the deadline has passed, though nothing has aborted yet`,
    engine.options,
    async (t) => {
      const database = openDatabase<Tables>(await engine.createDatabase(t));
      t.after(() => database.close());
      await sql`create table counters (id varchar(40))`.execute(database.db);
      const insert = ({ db }: Pick<typeof database, "db">) => db.insertInto("counters").values({ id: "a" }).execute();
      const late = createContext({ requestId: "r", deadline: Date.now() - 1 });
      await assert.rejects(
        runWithContext(late, () => insert(database)),
        deadlinePassed,
      );
      let begun = false;
      const beginning = runWithContext(late, () =>
        database.transaction(async () => {
          begun = true;
        }),
      );
      await assert.rejects(beginning, deadlinePassed);
      assert.equal(begun, false);
      const soon = createContext({ requestId: "r", deadline: Date.now() + 500 });
      const committing = runWithContext(soon, () =>
        database.transaction(async (tx) => {
          await insert({ db: tx });
          while (Date.now() < soon.deadline);
        }),
      );
      await assert.rejects(committing, deadlinePassed);
      assert.deepEqual(await database.db.selectFrom("counters").selectAll().execute(), []);
    },
  );

test(
  "a MySQL transaction is taken back even when it goes on as if its stopped statement had answered",
  needsDatabaseServer(),
  async (t) => {
    const database = openDatabase<Tables>(await createTestDatabase(t));
    t.after(() => database.close());
    await sql`create table counters (id varchar(40))`.execute(database.db);
    const controller = new AbortController();
    const context = createContext({ requestId: "r", signal: controller.signal });
    const working = runWithContext(context, () =>
      database.transaction(async (tx) => {
        await tx.insertInto("counters").values({ id: "a" }).execute();
        setTimeout(() => controller.abort(), 50);
        await sql`select sleep(30)`.execute(tx).catch(() => {});
      }),
    );
    await assert.rejects(working, (error) => isAppError(error, "CALL_ENDED"));
    assert.deepEqual(await database.db.selectFrom("counters").selectAll().execute(), []);
  },
);

test(
  "stopping a MySQL statement never stops the next one on its connection, however close to its end it comes",
  needsDatabaseServer(),
  async (t) => {
    const database = openDatabase<Tables>(await createTestDatabase(t), { maxConnections: 1 });
    t.after(() => database.close());
    for (let round = 0; round < 50; round += 1) {
      const controller = new AbortController();
      const context = createContext({ requestId: "r", signal: controller.signal });
      const ending = runWithContext(context, () => sql`select sleep(0.006)`.execute(database.db)).catch(() => {});
      const next = sql<{ slept: number }>`select sleep(0.02) as slept`.execute(database.db);
      await sleep(round % 10);
      controller.abort();
      await ending;
      assert.equal((await next).rows[0]?.slept, 0);
    }
  },
);

test("a MySQL stream answers all rows", needsDatabaseServer(), async (t) => {
  const { slowRows } = await streamed(t, 100);
  let rows = 0;
  for await (const { slept } of slowRows(0)) {
    assert.equal(slept, 0);
    rows += 1;
  }
  assert.equal(rows, 100);
});

test("a MySQL stream is not begun for a call that has ended", needsDatabaseServer(), async (t) => {
  const { slowRows } = await streamed(t, 1);
  const late = createContext({ requestId: "r", deadline: Date.now() - 1 });
  await assert.rejects(
    runWithContext(late, () => slowRows(0).next()),
    deadlinePassed,
  );
});

for (const rowsRead of [0, 1])
  test(
    `a MySQL stream is stopped in the server when its call ends, after ${rowsRead} rows`,
    needsDatabaseServer(),
    async (t) => {
      const { database, slowRows } = await streamed(t, 100);
      const begunAt = performance.now();
      const controller = new AbortController();
      const context = createContext({ requestId: "r", signal: controller.signal });
      await runWithContext(context, async () => {
        const rows = slowRows(0.3);
        for (let read = 0; read < rowsRead; read += 1) await rows.next();
        const next = rows.next();
        setTimeout(() => controller.abort(), 50);
        await assert.rejects(next, (error) => isAppError(error, "CALL_ENDED"));
      });
      await answersSoon(database, begunAt);
    },
  );

test("a MySQL stream is stopped in the server when its reader leaves", needsDatabaseServer(), async (t) => {
  const { database, slowRows } = await streamed(t, 100);
  const begunAt = performance.now();
  for await (const { slept } of slowRows(0.3)) {
    assert.equal(slept, 0);
    break;
  }
  await answersSoon(database, begunAt);
});

test("a MySQL stream that fails says why, and its connection goes on", needsDatabaseServer(), async (t) => {
  const database = openDatabase<{ nowhere: { id: string } }>(await createTestDatabase(t), { maxConnections: 1 });
  t.after(() => database.close());
  await assert.rejects(database.db.selectFrom("nowhere").selectAll().stream().next(), /nowhere/);
  await answersSoon(database, performance.now());
});

const deadlinePassed = (error: unknown) => isAppError(error, "CALL_ENDED") && error.kind === "timeout";

test(
  "a MySQL stream fails whose connection is lost, between rows and before it begins",
  needsDatabaseServer(),
  async (t) => {
    const { database } = await streamed(t, 200);
    const root = await createConnection((await databaseServer()) ?? "");
    t.after(() => root.end());
    const unavailable = (error: unknown) => isAppError(error, "DATABASE_UNAVAILABLE");
    const rowsOf = (db: Kysely<Tables>) =>
      db
        .selectFrom("counters")
        .select([sql<bigint>`connection_id()`.as("connection"), sql<string>`repeat('x', 100000)`.as("filling")])
        .stream();

    const reading = rowsOf(database.db);
    const { value } = await reading.next();
    await root.query(`kill ${value?.connection}`);
    await assert.rejects(async () => {
      for await (const _ of reading);
    }, unavailable);

    const beginning = database.transaction(async (tx) => {
      const { rows } = await sql<{ id: bigint }>`select connection_id() as id`.execute(tx);
      await root.query(`kill ${rows[0]?.id}`);
      await sleep(50);
      for await (const _ of rowsOf(tx));
    });
    await assert.rejects(beginning, unavailable);
    assert.equal(database.stats.inUse, 0);
  },
);

test(
  "5 s after its call a MySQL transaction gives its connection up where nobody answers, whatever it waits for",
  needsDatabaseServer(),
  async (t) => {
    const url = await createTestDatabase(t);
    const begin = async (where: "begin" | "statement" | "commit" | "rollback") => {
      const proxy = await silencableProxy(t, url);
      const database = openDatabase<Tables>(proxy.url, { maxConnections: 1 });
      t.after(() => database.close());
      await sql`select 1`.execute(database.db);
      const controller = new AbortController();
      if (where === "begin") proxy.silence();
      const working = runWithContext(createContext({ requestId: "r", signal: controller.signal }), () =>
        database.transaction(async (tx) => {
          await sql`select 1`.execute(tx);
          proxy.silence();
          if (where === "statement") await sql`select 2`.execute(tx);
          if (where === "rollback") throw new Error("to be taken back");
        }),
      ).catch(() => {});
      await sleep(200);
      const abortedAt = performance.now();
      controller.abort();
      await working;
      const tookMs = performance.now() - abortedAt;
      assert.ok(tookMs > 4_900 && tookMs < 8_000, `${where}: ${tookMs} ms`);
      assert.equal(database.stats.inUse, 0, where);
    };
    await Promise.all([begin("begin"), begin("statement"), begin("commit"), begin("rollback")]);
  },
);

/** A way to a database's server on which nothing gets through any more once it is silent. */
async function silencableProxy(t: TestContext, url: string) {
  const proxied = new URL(url);
  const server = { host: proxied.hostname, port: Number(proxied.port) };
  const sockets: Socket[] = [];
  let isSilent = false;
  const proxy = createServer((near) => {
    const far = connect(server);
    sockets.push(near, far);
    near.on("error", () => {}).on("data", (data) => isSilent || far.write(data));
    far.on("error", () => {}).on("data", (data) => isSilent || near.write(data));
  }).listen(0, "127.0.0.1");
  t.after(() => {
    proxy.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(proxy, "listening");
  proxied.port = String((proxy.address() as AddressInfo).port);
  const silence = () => {
    isSilent = true;
  };
  return { url: proxied.href, silence };
}

/** A database of one connection, and streams of `count` rows that are each sent by themselves, after `seconds`. */
async function streamed(t: TestContext, count: number) {
  const database = openDatabase<Tables>(await createTestDatabase(t), { maxConnections: 1 });
  t.after(() => database.close());
  await sql`create table counters (id varchar(40))`.execute(database.db);
  const values = Array.from({ length: count }, (_, index) => ({ id: String(index) }));
  await database.db.insertInto("counters").values(values).execute();
  // The server sends what it has when it is more than 16 KiB.
  const filling = sql<string>`repeat('x', 20000)`.as("filling");
  const slowRows = (seconds: number) =>
    database.db
      .selectFrom("counters")
      .select([sql<number>`sleep(${seconds})`.as("slept"), filling])
      .stream();
  return { database, slowRows };
}

/** The database's only connection is free soon after `since`: a stream that goes on in the server would take 30 s. */
async function answersSoon<S>({ db }: Database<S>, since: number): Promise<void> {
  await sql`select 1`.execute(db);
  assert.ok(performance.now() - since < 5_000, `answered after ${performance.now() - since} ms`);
}

/** The database's URL through a proxy, which can hold back what comes over the connection that was opened first. */
async function slowableProxy(t: TestContext, databaseUrl: string) {
  const target = new URL(databaseUrl);
  let first: Socket | undefined;
  let heldUntil = 0;
  const proxy = createServer((near) => {
    first ??= near;
    const far = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
      from.on("data", async (data) => {
        if (from === first) await sleep(Math.max(0, heldUntil - performance.now()));
        to.write(data);
      });
    }
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => proxy.close());
  const url = new URL(databaseUrl);
  url.hostname = "127.0.0.1";
  url.port = String((proxy.address() as AddressInfo).port);
  return {
    url: url.href,
    holdFirst: (ms: number) => {
      heldUntil = performance.now() + ms;
    },
  };
}
