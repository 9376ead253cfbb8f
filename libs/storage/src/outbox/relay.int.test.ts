import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type StorageEngine, storageEngines, until } from "@shoal/testkit";
import { type Database, openDatabase } from "../database.ts";
import { migrate } from "../migrations.ts";
import { openOutbox } from "./open-outbox.ts";
import { appendEvents, type OutboxTables, outboxSchema, outboxTraceSchema } from "./outbox.ts";
import { OutboxRelay } from "./relay.ts";

async function open(t: TestContext, engine: StorageEngine): Promise<Database<OutboxTables>> {
  const database = openDatabase<OutboxTables>(await engine.createDatabase(t));
  t.after(() => database.close());
  await migrate(database, [
    { name: "0001-outbox", statements: (types) => [...outboxSchema(types), ...outboxTraceSchema(types)] },
  ]);
  return database;
}

const append = (database: Database<OutboxTables>, key: string, atMs = Date.now()) =>
  database.transaction((tx) => appendEvents(tx, [{ topic: "thing", key, version: 1, payload: "", atMs }]));

const unpublished = async ({ db }: Database<OutboxTables>) =>
  (await db.selectFrom("outbox").select("event_key").where("seq", "is", null).execute()).length;

for (const engine of storageEngines) {
  const it = (does: string, run: (t: TestContext, database: Database<OutboxTables>) => Promise<void>) =>
    test(`${engine.name} relay ${does}`, engine.options, async (t) => run(t, await open(t, engine)));

  it("publishes what it is told of long before it would look", async (t, database) => {
    const relay = new OutboxRelay(database, { intervalMs: 3_600_000 });
    t.after(() => relay.stop());
    for (const key of ["a", "b"]) {
      await append(database, key);
      relay.nudge();
      await until(`${key} is published`, async () => (await unpublished(database)) === 0);
    }
  });

  it("finds what nobody has told it of, and goes on after a failure", async (t, database) => {
    const failures: unknown[] = [];
    let fails = true;
    const flaky = new Proxy(database, {
      get: (target, name, receiver) => {
        if (name === "transaction" && fails) throw new Error("no database");
        return Reflect.get(target, name, receiver);
      },
    });
    await append(database, "a");
    const relay = new OutboxRelay(flaky, { intervalMs: 10, onError: (error) => failures.push(error) });
    t.after(() => relay.stop());
    await until("it has failed twice", () => failures.length >= 2);
    fails = false;
    await until("it is published", async () => (await unpublished(database)) === 0);
  });

  it("publishes nothing more once it is stopped", async (_, database) => {
    const relay = new OutboxRelay(database, { intervalMs: 10 });
    await relay.stop();
    await append(database, "a");
    relay.nudge();
    assert.equal(await unpublished(database), 1);
  });

  it("of one instance feeds the readers of another", async (t, database) => {
    const other = openOutbox(database, { intervalMs: 3_600_000 });
    t.after(() => other.close());
    const one = openOutbox(database, { intervalMs: 3_600_000 });
    t.after(() => one.close());
    const keys: string[] = [];
    const reading = (async () => {
      for await (const events of other.feed.read(0n, AbortSignal.timeout(30_000)))
        keys.push(...events.map(({ key }) => key));
    })();
    for (const key of ["a", "b", "c"]) {
      await append(database, key);
      one.nudge();
    }
    await until("all have come", () => keys.length === 3);
    await other.close();
    await reading;
    assert.deepEqual(keys.toSorted(), ["a", "b", "c"]);
  });
}
