import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createContext, isAppError, type Priority, runWithContext } from "@shoal/kernel";
import {
  createTestDatabase,
  databaseServer,
  lastingPort,
  needsDatabaseServer,
  storageEngines,
  until,
} from "@shoal/testkit";
import { sql } from "kysely";
import { createConnection } from "mysql2/promise";
import { admission, type Database, type DatabaseOptions, openDatabase } from "./database.ts";
import { logConnections } from "./log-connections.ts";

type AnyDatabase = Database<unknown>;

const open = (t: TestContext, url: string, options: Partial<DatabaseOptions> = {}): AnyDatabase => {
  const database = openDatabase<unknown>(url, { closeGraceMs: 0, ...options });
  t.after(() => database.close());
  return database;
};

const connectionId = async ({ db }: AnyDatabase) =>
  (await sql<{ id: bigint }>`select connection_id() as id`.execute(db)).rows[0]?.id;

const ask = ({ db }: AnyDatabase) => sql`select 1`.execute(db);

/** A transaction that has one of the connections until told to end. */
async function hold(database: AnyDatabase, requestId = "holder") {
  const end = Promise.withResolvers<void>();
  const holding = Promise.withResolvers<void>();
  const ended = runWithContext(createContext({ requestId }), () =>
    database.transaction(async (tx) => {
      await sql`select 1`.execute(tx);
      holding.resolve();
      await end.promise;
      await sql`select 1`.execute(tx);
    }),
  );
  await Promise.race([holding.promise, ended]);
  return {
    end: () => {
      end.resolve();
      return ended;
    },
  };
}

const unavailable = (error: unknown) => isAppError(error, "DATABASE_UNAVAILABLE") && error.kind === "unavailable";
const busy = (error: unknown) => isAppError(error, "DATABASE_BUSY") && error.kind === "exhausted";

test("a MySQL connection that the server ends while idle is not used again", needsDatabaseServer(), async (t) => {
  const database = open(t, await createTestDatabase(t), { maxConnections: 1 });
  const root = await createConnection((await databaseServer()) ?? "");
  t.after(() => root.end());
  const first = await connectionId(database);
  await root.query(`kill ${first}`);
  await until("the connection is closed", () => database.stats.open === 0);
  assert.notEqual(await connectionId(database), first);
});

test(
  "a MySQL server that is gone fails calls at once, and serves them once it is back",
  needsDatabaseServer(),
  async (t) => {
    const proxy = await startProxy(t, await createTestDatabase(t));
    const database = open(t, proxy.url, { maxConnections: 4 });
    await Promise.all([ask(database), ask(database), ask(database), ask(database)]);
    await proxy.stop();
    await until("the connection is closed", () => database.stats.open === 0);
    await assert.rejects(ask(database), unavailable);
    await assert.rejects(ask(database), unavailable);
    await proxy.start();
    await ask(database);
  },
);

test(
  "a MySQL connection that has gone silent while idle is found out before it is used",
  needsDatabaseServer(),
  async (t) => {
    const proxy = await startProxy(t, await createTestDatabase(t));
    const reasons: string[] = [];
    const database = open(t, proxy.url, {
      maxConnections: 1,
      checkAfterMs: 1,
      connectTimeoutMs: 500,
      onConnectionEvent: (event) => event.type === "closed" && reasons.push(event.reason),
    });
    const first = await connectionId(database);
    await sleep(5);
    assert.equal(await connectionId(database), first, "a check that succeeds keeps it");
    proxy.silence();
    await sleep(5);
    assert.notEqual(await connectionId(database), first);
    assert.deepEqual(reasons, ["check"]);
  },
);

test(
  "a MySQL call ends though the connection of its statement has gone silent, and the connection is replaced",
  needsDatabaseServer(),
  async (t) => {
    const proxy = await startProxy(t, await createTestDatabase(t));
    const database = open(t, proxy.url, { maxConnections: 1 });
    const first = await connectionId(database);
    const controller = new AbortController();
    const context = createContext({ requestId: "r", signal: controller.signal });
    const working = runWithContext(context, () => sql`select sleep(60)`.execute(database.db));
    const root = await createConnection((await databaseServer()) ?? "");
    t.after(() => root.end());
    const isAtWork = async () => {
      const [found] = await root.query(
        `select 1 from information_schema.processlist where id = ${first} and info <> ''`,
      );
      return (found as unknown[]).length > 0;
    };
    await until("the statement is at work", isAtWork);
    proxy.silence();
    controller.abort();
    await assert.rejects(working, cancelled);
    assert.notEqual(await connectionId(database), first);
  },
);

test("a MySQL connection that is too old is replaced", needsDatabaseServer(), async (t) => {
  const database = open(t, await createTestDatabase(t), { maxConnections: 1, maxAgeMs: 50 });
  const first = await connectionId(database);
  await until("the connection is closed", () => database.stats.open === 0);
  assert.notEqual(await connectionId(database), first);
});

for (const engine of storageEngines) {
  const it = (does: string, run: (t: TestContext, url: string) => Promise<void>) =>
    test(`${engine.name} ${does}`, engine.options, async (t) => await run(t, await engine.createDatabase(t)));

  it("refuses a call that has waited too long for a connection, and its error knows who has it", async (t, url) => {
    const database = open(t, url, { maxConnections: 1, acquireTimeoutMs: 50 });
    const holder = await hold(database, "a report");
    await assert.rejects(ask(database), (error) => {
      assert.ok(busy(error) && isAppError(error));
      assert.ok((error.retryAfterMs ?? 0) > 0);
      assert.doesNotMatch(error.message, /a report/);
      assert.match(String(error.cause), /held longest by a report/);
      return true;
    });
    assert.equal(database.stats.waiting, 0);
    assert.equal(database.borrowers()[0]?.borrower, "a report");
    await holder.end();
    await ask(database);
  });

  it("refuses a call whose deadline passes while it waits, and keeps no place for it", async (t, url) => {
    const database = open(t, url, { maxConnections: 1 });
    const holder = await hold(database);
    const context = createContext({ requestId: "r", deadline: Date.now() + 50 });
    await assert.rejects(
      runWithContext(context, () => ask(database)),
      (error) => isAppError(error, "CALL_ENDED") && error.kind === "timeout",
    );
    assert.equal(database.stats.waiting, 0);
    await holder.end();
  });

  it("keeps no place for calls that were cancelled while they waited", async (t, url) => {
    const database = open(t, url, { maxConnections: 1 });
    const holder = await hold(database);
    const controller = new AbortController();
    const context = createContext({ requestId: "r", signal: controller.signal });
    const waiting = [1, 2, 3].map(() =>
      assert.rejects(
        runWithContext(context, () => ask(database)),
        cancelled,
      ),
    );
    await until("3 calls wait", () => database.stats.waiting === 3);
    controller.abort();
    await Promise.all(waiting);
    assert.equal(database.stats.waiting, 0);
    await holder.end();
    await ask(database);
  });

  it("lets what is at work finish when it is closed, and refuses what waits and what comes", async (t, url) => {
    const database = open(t, url, { maxConnections: 1, closeGraceMs: 60_000 });
    const holder = await hold(database);
    const waiting = assert.rejects(ask(database), unavailable);
    const closing = database.close();
    await waiting;
    await assert.rejects(ask(database), unavailable);
    await holder.end();
    await closing;
    assert.equal(database.stats.open, 0);
  });

  it("closes in time though a transaction goes on, which fails", async (t, url) => {
    const database = open(t, url, { maxConnections: 1 });
    const holder = await hold(database);
    await database.close();
    assert.equal(database.stats.open, 0);
    await assert.rejects(holder.end());
  });

  it("is busy from the high water on, and until the low one", async (t, url) => {
    const database = open(t, url, { maxConnections: 1, highWater: 3, lowWater: 1 });
    const admit = admission(database);
    let admitted = 0;
    const call = (priority: Priority = "default") =>
      admit({ priority }, async () => {
        admitted += 1;
      });
    const holder = await hold(database);
    const waiting = [ask(database)];
    await until("one call waits", () => database.stats.waiting === 1);
    await call();
    waiting.push(ask(database));
    await until("2 calls wait", () => database.stats.waiting === 2);
    await assert.rejects(call(), busy);
    await assert.rejects(call("sheddable"), busy);
    assert.equal(admitted, 1);
    await call("critical");
    assert.equal(admitted, 2);
    await holder.end();
    await Promise.all(waiting);
    await call();
    assert.equal(admitted, 3);
  });

  it("says who keeps a connection for long", async (t, url) => {
    const logged: object[] = [];
    const onConnectionEvent = logConnections({ warn: (fields) => logged.push(fields) });
    const database = open(t, url, { maxConnections: 1, leakAfterMs: 20, onConnectionEvent });
    const holder = await hold(database, "slow");
    await until("it is logged", () => logged.length > 0);
    assert.equal((logged[0] as { requestId?: string }).requestId, "slow");
    await holder.end();
  });
}

test(
  "a MySQL statement at work when the database is closed fails, and its caller is not left waiting",
  needsDatabaseServer(),
  async (t) => {
    const database = open(t, await createTestDatabase(t), { maxConnections: 1 });
    await ask(database);
    const working = sql`select sleep(30)`.execute(database.db);
    await until("one is in use", () => database.stats.inUse === 1);
    await Promise.all([assert.rejects(working, unavailable), database.close()]);
  },
);

test("options that do not fit each other are refused by name", () => {
  assert.throws(() => openDatabase("sqlite:x.db", { lowWater: 200 }), /highWater must be a whole number from 201/);
  assert.throws(() => openDatabase("sqlite:x.db", { minConnections: 11 }), /minConnections must be/);
  assert.throws(() => openDatabase("mysql://a@127.0.0.1:1/b", { idleMs: 0 }), /idleMs must be/);
});

const cancelled = (error: unknown) => isAppError(error, "CALL_ENDED") && error.kind === "cancelled";

/** The database's URL through a proxy that can go away, come back, and stop passing on what comes over open connections. */
async function startProxy(t: TestContext, databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const silenced = new Set<Socket>();
  let server: Server | undefined;
  const pipe = (near: Socket) => {
    const far = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on("data", (data) => {
        if (!silenced.has(from)) to.write(data);
      });
    }
  };
  const listen = async (port: number): Promise<number> => {
    server = createServer(pipe).listen(port, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };
  const stop = async () => {
    const closed = new Promise((resolve) => server?.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const port = await listen(await lastingPort());
  t.after(stop);
  const url = new URL(databaseUrl);
  url.hostname = "127.0.0.1";
  url.port = String(port);
  return {
    url: url.href,
    stop,
    start: () => listen(port),
    silence: () => {
      for (const socket of sockets) silenced.add(socket);
    },
  };
}

for (const engine of storageEngines)
  test(
    `${engine.name} that is closed is unavailable, for what was at work too long and for what comes`,
    engine.options,
    async (t) => {
      const database = open(t, await engine.createDatabase(t));
      const { end } = await hold(database);
      await database.close();
      await assert.rejects(end(), unavailable);
      await assert.rejects(ask(database), unavailable);
      await database.close();
    },
  );
