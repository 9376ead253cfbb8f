import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryDatabase } from "./database.ts";
import { instantLine } from "./instant-line.contract.ts";
import { MemoryOutbox } from "./outbox.ts";
import { Session } from "./session.ts";

test("events get their places after the commit, without gaps, whoever gives them; those of a key by version", async () => {
  const database = new MemoryDatabase("read committed");
  const outbox = new MemoryOutbox();
  const session = new Session(database, instantLine);
  const event = (key: string, version: number, atMs: number) => ({ topic: "t", key, version, payload: "", atMs });
  const append = (...events: ReturnType<typeof event>[]) => session.transaction((tx) => outbox.append(tx, events));
  const waiting = append(event("slow", 1, 1));
  // The clock was set back between the versions of A.
  await append(event("A", 1, 9), event("B", 1, 5));
  await append(event("A", 2, 3));
  const published = await Promise.all([outbox.publish(session), outbox.publish(session), waiting]);
  assert.ok((published[0] ?? 0) + (published[1] ?? 0) >= 3);
  await append(event("C", 1, 2));
  await outbox.publish(session);
  const events = await outbox.read(session, 0, 10);
  assert.deepEqual(
    events.map(({ place }) => place),
    [1, 2, 3, 4, 5],
  );
  assert.deepEqual(
    events.filter(({ key }) => key === "A").map(({ version }) => version),
    [1, 2],
  );
  assert.deepEqual(
    (await outbox.read(session, 4, 10)).map(({ key }) => key),
    ["C"],
  );
});

test("an event of the same key and version is told once", async () => {
  const database = new MemoryDatabase("read committed");
  const outbox = new MemoryOutbox();
  const session = new Session(database, instantLine);
  const event = { topic: "t", key: "A", version: 1, payload: "", atMs: 0 };
  await session.transaction((tx) => outbox.append(tx, [event]));
  await assert.rejects(
    session.transaction((tx) => outbox.append(tx, [event])),
    /has t\/A\/1/,
  );
});
