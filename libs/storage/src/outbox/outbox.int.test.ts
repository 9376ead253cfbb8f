import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createContext, isAppError, runWithContext } from "@shoal/kernel";
import { type StorageEngine, storageEngines, until } from "@shoal/testkit";
import type { KyselyPlugin } from "kysely";
import { type Database, openDatabase } from "../database.ts";
import { isUniqueViolation } from "../errors.ts";
import { migrate } from "../migrations.ts";
import { OutboxFeed, type OutboxFeedOptions } from "./feed.ts";
import { acceptEvents, type InboxTables, inboxSchema, pruneInbox } from "./inbox.ts";
import {
  appendEvents,
  eventIdOf,
  type OutboxTables,
  outboxSchema,
  outboxTraceSchema,
  type PublishedEvent,
} from "./outbox.ts";
import { pruneEvents, publishEvents } from "./publish.ts";

type Tables = OutboxTables & InboxTables;

async function open(t: TestContext, engine: StorageEngine): Promise<Database<Tables>> {
  const database = openDatabase<Tables>(await engine.createDatabase(t));
  t.after(() => database.close());
  const statements = (types: Parameters<typeof outboxSchema>[0]) => [
    ...outboxSchema(types),
    ...outboxTraceSchema(types),
    ...inboxSchema(types),
  ];
  await migrate(database, [{ name: "0001-outbox", statements }]);
  return database;
}

const event = (key: string, version: number, atMs = 1_000) => ({
  topic: "thing",
  key,
  version,
  payload: `{"version":${version}}`,
  atMs,
});

const append = (database: Database<Tables>, ...events: ReturnType<typeof event>[]) =>
  database.transaction((tx) => appendEvents(tx, events));

async function published(database: Database<Tables>): Promise<readonly string[]> {
  const rows = await database.db.selectFrom("outbox").selectAll().where("seq", "is not", null).orderBy("seq").execute();
  rows.forEach(({ seq }, index) => {
    assert.equal(seq, BigInt(index + 1), "places have no gaps");
  });
  return rows.map(({ event_key, version }) => `${event_key}${version}`);
}

function openFeed(t: TestContext, database: Database<Tables>, options: Partial<OutboxFeedOptions> = {}) {
  const feed = new OutboxFeed(database, { pollMs: 5, ...options });
  t.after(() => feed.close());
  return feed;
}

/** Collects what a reader is given. */
function collect(t: TestContext, feed: OutboxFeed<Tables>, after: bigint) {
  const controller = new AbortController();
  t.after(() => controller.abort());
  const seen: PublishedEvent[] = [];
  const done = (async () => {
    for await (const events of feed.read(after, controller.signal)) seen.push(...events);
  })();
  done.catch(() => {});
  const names = () => seen.map(({ key, version }) => `${key}${version}`);
  return { seen, names, done, stop: () => controller.abort() };
}

for (const engine of storageEngines) {
  const it = (does: string, run: (t: TestContext, database: Database<Tables>) => Promise<void>) =>
    test(`${engine.name} ${does}`, engine.options, async (t) => run(t, await open(t, engine)));

  it("publishes what is committed, by time, the versions of one key in their order, and nothing else", async (_, database) => {
    await append(database, event("b", 1, 2_000), event("b", 2, 2_000), event("a", 1, 3_000));
    await append(database, event("c", 1, 1_000));
    const undone = database.transaction(async (tx) => {
      await appendEvents(tx, [event("d", 1)]);
      throw new Error("undone");
    });
    await assert.rejects(undone, /undone/);
    assert.equal(await publishEvents(database), 4);
    assert.equal(await publishEvents(database), 0);
    await append(database, event("a", 2, 3_000));
    assert.equal(await publishEvents(database), 1);
    assert.deepEqual(await published(database), ["c1", "b1", "b2", "a1", "a2"]);
  });

  it("publishes the versions of one key in their order, though the clocks that wrote them differ", async (_, database) => {
    await append(database, event("a", 1, 9_000));
    await append(database, event("b", 1, 5_000), event("b", 2, 4_000), event("c", 1, 6_000));
    await append(database, event("a", 2, 1_000));
    assert.equal(await publishEvents(database, { limit: 1 }), 1, "the first one of its key");
    await publishEvents(database);
    assert.deepEqual(await published(database), ["a1", "a2", "b1", "b2", "c1"]);
  });

  it("refuses the same version of a key twice", async (_, database) => {
    await append(database, event("a", 1));
    await assert.rejects(append(database, event("a", 1)), isUniqueViolation);
    assert.equal(await publishEvents(database), 1);
  });

  it("publishes each event once, in one sequence, however many do it at once while others write", async (_, database) => {
    let isWriting = true;
    const relay = async () => {
      let count = 0;
      // What is written last is there for a last look.
      for (let last = false; !last; ) {
        last = !isWriting;
        const found = await publishEvents(database, { limit: 7 });
        count += found;
        if (found > 0) last = false;
      }
      return count;
    };
    const relays = Array.from({ length: 4 }, relay);
    const write = async (key: string) => {
      for (let version = 1; version <= 20; version += 1) await append(database, event(key, version));
    };
    await Promise.all(["a", "b", "c", "d", "e"].map(write));
    isWriting = false;
    const counts = await Promise.all(relays);
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      100,
    );
    const order = await published(database);
    assert.equal(order.length, 100);
    for (const key of ["a", "b", "c", "d", "e"])
      assert.deepEqual(
        order.filter((name) => name.startsWith(key)),
        Array.from({ length: 20 }, (_, index) => `${key}${index + 1}`),
      );
  });

  it("publishes no more at once than it is told to, however many versions of a key wait", async (_, database) => {
    const versions = Array.from({ length: 3_000 }, (_, n) => event("hot", n + 1));
    for (let from = 0; from < versions.length; from += 500) await append(database, ...versions.slice(from, from + 500));
    for (const left of [2_000, 1_000, 0]) {
      assert.equal(await publishEvents(database, { limit: 1_000 }), 1_000);
      const { count } = await database.db
        .selectFrom("outbox")
        .select((eb) => eb.fn.countAll().as("count"))
        .where("seq", "is", null)
        .executeTakeFirstOrThrow();
      assert.equal(Number(count), left);
    }
    assert.deepEqual(
      await published(database),
      versions.map(({ key, version }) => `${key}${version}`),
    );
  });

  it("goes on for its readers when the call of the one that came first ends", async (t, database) => {
    const feed = openFeed(t, database);
    const call = new AbortController();
    const context = createContext({ requestId: "first", signal: call.signal });
    const first = runWithContext(context, () => collect(t, feed, 0n));
    const second = collect(t, feed, 0n);
    await append(database, event("a", 1));
    await publishEvents(database);
    await until("both have the first event", () => first.seen.length === 1 && second.seen.length === 1);
    first.stop();
    call.abort();
    await first.done;
    await append(database, event("b", 1));
    await publishEvents(database);
    await until("the second one has the second event", () => second.seen.length === 2);
  });

  it("deletes published events that are old, and no others", async (_, database) => {
    await append(database, event("a", 1, 1_000), event("b", 1, 5_000), event("c", 1, 2_000));
    assert.equal(await pruneEvents(database, { beforeMs: 10_000, limit: 10 }), 0, "nothing is published");
    await publishEvents(database);
    await append(database, event("d", 1, 1_000));
    assert.equal(await pruneEvents(database, { beforeMs: 3_000, limit: 1 }), 1);
    assert.equal(await pruneEvents(database, { beforeMs: 3_000, limit: 10 }), 1);
    assert.equal(await pruneEvents(database, { beforeMs: 3_000, limit: 10 }), 0);
    await publishEvents(database);
    const { seq } = await database.db
      .selectFrom("outbox")
      .select("seq")
      .where("event_key", "=", "d")
      .executeTakeFirstOrThrow();
    assert.equal(seq, 4n, "places are not used again");
  });

  it("gives every reader all events from its place on, and asks nothing while nobody reads", async (t, database) => {
    const feed = openFeed(t, database);
    await append(database, event("a", 1), event("b", 1));
    await publishEvents(database);
    const early = collect(t, feed, 0n);
    const late = collect(t, feed, await feed.position());
    await until("the early one has caught up", () => early.seen.length === 2);
    await append(database, event("c", 1));
    await publishEvents(database);
    await until("both have the third", () => early.seen.length === 3 && late.seen.length === 1);
    const resumed = collect(t, feed, 1n);
    await until("who comes again has what it missed", () => resumed.seen.length === 2);
    assert.deepEqual([early.names(), late.names(), resumed.names()], [["a1", "b1", "c1"], ["c1"], ["b1", "c1"]]);
    for (const reader of [early, late, resumed]) {
      reader.stop();
      await reader.done;
    }
    assert.equal(feed.readers, 0);
  });

  it("lets a slow reader take its time: it misses nothing, whatever the others have read", async (t, database) => {
    const feed = openFeed(t, database, { keep: 3, pageSize: 2 });
    const fast = collect(t, feed, 0n);
    const slow = feed.read(0n, new AbortController().signal);
    const slowSeen: string[] = [];
    const take = async () => {
      const { value } = await slow.next();
      slowSeen.push(...(value ?? []).map(({ key, version }) => `${key}${version}`));
    };
    await append(database, event("a", 1));
    await publishEvents(database);
    await take();
    for (let version = 2; version <= 30; version += 1) await append(database, event("a", version));
    await publishEvents(database);
    await until("the fast one has all", () => fast.seen.length === 30);
    while (slowSeen.length < 30) await take();
    await slow.return();
    assert.deepEqual(slowSeen, fast.names());
  });

  it("sees what another instance publishes, and at once what this one does", async (t, database) => {
    const feed = openFeed(t, database, { pollMs: 60_000 });
    const reader = collect(t, feed, 0n);
    await until("it reads", () => feed.readers === 1);
    await append(database, event("a", 1));
    await publishEvents(database);
    await until("it is woken", () => {
      feed.wake();
      return reader.seen.length === 1;
    });
  });

  it("tells who comes for events that are gone, or that never were", async (t, database) => {
    const feed = openFeed(t, database);
    await append(database, event("a", 1), event("a", 2), event("a", 3));
    await publishEvents(database);
    await pruneEvents(database, { beforeMs: 2_000, limit: 2 });
    await assert.rejects(collect(t, feed, 0n).done, (error) => isAppError(error, "EVENTS_PRUNED"));
    await assert.rejects(collect(t, feed, 1n).done, (error) => isAppError(error, "EVENTS_PRUNED"));
    await assert.rejects(collect(t, feed, 4n).done, (error) => isAppError(error, "EVENTS_UNKNOWN"));
    const rest = collect(t, feed, 2n);
    await until("what is kept is read", () => rest.seen.length === 1);
    await pruneEvents(database, { beforeMs: 2_000, limit: 2 });
    await feed.close();
    await rest.done;
    assert.deepEqual(rest.names(), ["a3"]);
  });

  it("has each event's effect once, however often and by how many it is handled", async (_, database) => {
    const effects: string[] = [];
    const handle = async () => {
      for (;;) {
        try {
          const fresh = await database.transaction((tx) => acceptEvents(tx, "counter", ["e1", "e2", "e1"], 1_000));
          effects.push(...fresh);
          return;
        } catch (error) {
          if (!isUniqueViolation(error)) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 6 }, handle));
    assert.deepEqual(effects.sort(), ["e1", "e2"]);
    const other = await database.transaction((tx) => acceptEvents(tx, "other", ["e2", "e3"], 2_000));
    assert.deepEqual(other, ["e2", "e3"]);
    assert.equal(await pruneInbox(database, { beforeMs: 2_000, limit: 10 }), 2);
    assert.deepEqual(await database.transaction((tx) => acceptEvents(tx, "other", ["e2", "e3"], 3_000)), []);
  });
}

for (const engine of storageEngines)
  test(`${engine.name} takes nothing for pruned that is published while a reader looks`, engine.options, async (t) => {
    const database = await open(t, engine);
    let published = 0;
    /** Publishes an event between a look that has found nothing and what the feed does next. */
    const publishAfterLook: KyselyPlugin = {
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        if (result.rows.length === 0 && published < 3) {
          published += 1;
          await append(database, event(`e${published}`, 1));
          await publishEvents(database);
        }
        return result;
      },
    };
    const errors: unknown[] = [];
    const onError = (error: unknown) => errors.push(error);
    const feed = openFeed(t, { ...database, db: database.db.withPlugin(publishAfterLook) }, { onError });
    const { names, done, stop } = collect(t, feed, 0n);
    await until("all events", () => names().length === 3);
    stop();
    await done;
    assert.deepEqual(names(), ["e11", "e21", "e31"]);
    assert.deepEqual(errors, []);
  });

for (const engine of storageEngines.filter(({ name }) => name === "MySQL"))
  test(
    "MySQL keeps nobody waiting for an event that is not committed, and publishes it after it is",
    engine.options,
    async (t) => {
      const database = await open(t, engine);
      const begun = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const long = database.transaction(async (tx) => {
        await appendEvents(tx, [event("long", 1, 1)]);
        begun.resolve();
        await go.promise;
      });
      await begun.promise;
      await append(database, event("short", 1, 2));
      assert.equal(await publishEvents(database), 1);
      go.resolve();
      await long;
      assert.equal(await publishEvents(database), 1);
      assert.deepEqual(await published(database), ["short1", "long1"]);
    },
  );

test("an event's id names its topic, key and version", () => {
  assert.equal(eventIdOf({ topic: "order", key: "k", version: 2 }), "order/k/2");
});
