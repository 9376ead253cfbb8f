import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { Metrics } from "@shoal/telemetry";
import { storageEngines } from "@shoal/testkit";
import { type Kysely, sql } from "kysely";
import { openDatabase } from "./database.ts";
import { insertRows } from "./insert-rows.ts";

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

interface Tables {
  animals: { name: string; legs: number };
}

for (const engine of storageEngines) {
  const open = async (t: TestContext) => {
    const exporter = new InMemorySpanExporter();
    const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
    const tracer = provider.getTracer("test");
    const metrics = new Metrics();
    const database = openDatabase<Tables>(await engine.createDatabase(t), { telemetry: { metrics, tracer } });
    t.after(() => database.close());
    await sql`create table animals (name varchar(20) primary key, legs int not null)`.execute(database.db);
    /** Runs `work` in a span, and answers the spans below it. */
    const traced = async (work: () => Promise<unknown>) => {
      exporter.reset();
      const span = tracer.startSpan("call");
      await context.with(trace.setSpan(context.active(), span), work);
      const below = exporter.getFinishedSpans();
      for (const { parentSpanContext } of below) assert.equal(parentSpanContext?.spanId, span.spanContext().spanId);
      return below;
    };
    const points = async (name: string) => {
      const { resourceMetrics } = await metrics.collect();
      const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
      const points = all.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? [];
      return points.map(({ attributes, value }) => ({ attributes, value }));
    };
    return { database, exporter, traced, points };
  };

  test(`${engine.name}: a statement that is written out is told by its first words`, engine.options, async (t) => {
    const { database, traced } = await open(t);
    const spans = await traced(async () => {
      await sql`create table if not exists plants (name varchar(20) primary key)`.execute(database.db);
      await sql`drop table if exists plants`.execute(database.db);
    });
    assert.deepEqual(
      spans.map(({ name }) => name),
      ["CREATE plants", "DROP plants"],
    );
  });

  test(
    `on ${engine.name} each statement of a traced call has a span that says what it does, without its values`,
    engine.options,
    async (t) => {
      const { database, traced } = await open(t);
      const { db } = database;
      const spans = await traced(async () => {
        await database.transaction(async (tx) => {
          await insertRows(tx as Kysely<Tables>, "animals", [
            { name: "spider", legs: 8 },
            { name: "ant", legs: 6 },
          ]);
          await tx.updateTable("animals").set({ legs: 7 }).where("name", "=", "spider").execute();
        });
        await db.selectFrom("animals as a").select("a.name").where("a.legs", ">", 6).execute();
        await db.deleteFrom("animals").execute();
      });
      assert.deepEqual(
        spans.map(({ name }) => name),
        ["BEGIN", "INSERT animals", "UPDATE animals", "COMMIT", "SELECT animals", "DELETE animals"],
      );
      const [, , update] = spans;
      assert.equal(update?.kind, SpanKind.CLIENT);
      assert.equal(update.attributes["db.operation.name"], "UPDATE");
      assert.equal(update.attributes["db.collection.name"], "animals");
      assert.equal(update.attributes["db.system.name"], engine.name === "MySQL" ? "mysql" : "sqlite");
      assert.match(String(update.attributes["db.query.text"]), /^update .animals. set .legs. = \?/);
      assert.equal(JSON.stringify(spans.map(({ attributes }) => attributes)).includes("spider"), false);
    },
  );

  test(
    `on ${engine.name} a statement that fails says why, and statements outside a traced call have no span but are counted`,
    engine.options,
    async (t) => {
      const { database, exporter, traced, points } = await open(t);
      const insert = () => database.db.insertInto("animals").values({ name: "ant", legs: 6 }).execute();
      exporter.reset();
      await insert();
      assert.deepEqual(exporter.getFinishedSpans(), []);
      const [failed] = await traced(() => assert.rejects(insert()));
      assert.equal(failed?.status.code, SpanStatusCode.ERROR);
      assert.match(
        String(failed.attributes["error.type"]),
        engine.name === "MySQL" ? /ER_DUP_ENTRY/ : /ERR_SQLITE_ERROR/,
      );
      const inserts = (await points("db.client.operation.duration")).filter(
        ({ attributes }) => attributes["db.operation.name"] === "INSERT",
      );
      assert.deepEqual(
        inserts.map(({ attributes, value }) => [
          attributes["error.type"] !== undefined,
          (value as { count: number }).count,
        ]),
        [
          [false, 1],
          [true, 1],
        ],
      );
    },
  );

  test(
    `on ${engine.name} its connections are told: how many, and how long they are waited for and used`,
    engine.options,
    async (t) => {
      const { database, points } = await open(t);
      await database.db.selectFrom("animals").selectAll().execute();
      const used = (await points("db.client.connection.use_time"))[0]?.value as { count: number };
      assert.ok(used.count >= 2);
      const states = (await points("db.client.connection.count")).map(({ attributes, value }) => [
        attributes["db.client.connection.state"],
        value,
      ]);
      assert.deepEqual(states, [
        ["used", 0],
        ["idle", 1],
      ]);
    },
  );
}
