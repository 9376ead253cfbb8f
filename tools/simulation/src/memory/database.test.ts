import assert from "node:assert/strict";
import { test } from "node:test";
import { DuplicateKeyError, type Isolation, MemoryDatabase } from "./database.ts";
import { DeadlockError, LockWaitError } from "./row-locks.ts";
import { Table } from "./table.ts";

/** A database with one table that has the rows A and B, both 0. */
async function open(isolation: Isolation = "repeatable read") {
  const database = new MemoryDatabase(isolation);
  const table = new Table<number>("numbers");
  const tx = database.begin();
  for (const key of ["A", "B"]) await tx.insert(table, key, 0);
  tx.commit();
  return { database, table };
}

/** Whether a promise has not settled when all that could go on has. */
async function waits(promise: Promise<unknown>): Promise<boolean> {
  const settled = promise.then(
    () => false,
    () => false,
  );
  return await Promise.race([settled, new Promise<boolean>((resolve) => setImmediate(() => resolve(true)))]);
}

for (const [isolation, seen] of [
  ["read committed", 1],
  ["repeatable read", 0],
] as const)
  test(`${isolation}: a second plain read sees ${seen === 1 ? "what was committed meanwhile" : "what the first one saw"}`, async () => {
    const { database, table } = await open(isolation);
    const reader = database.begin();
    assert.deepEqual(reader.find(table, ["A"]), [0]);
    const writer = database.begin();
    await writer.update(table, "A", () => 1);
    assert.deepEqual(reader.find(table, ["A"]), [0]);
    writer.commit();
    assert.deepEqual(reader.find(table, ["A"]), [seen]);
    // A lock is on the newest.
    assert.deepEqual(await reader.lock(table, ["A"]), [1]);
    await reader.update(table, "A", (n) => n + 10);
    assert.deepEqual(reader.find(table, ["A"]), [11]);
  });

test("what is read without a lock and written back is lost to the last writer", async () => {
  const { database, table } = await open();
  const [one, other] = [database.begin(), database.begin()];
  const [n = 0] = one.find(table, ["A"]);
  const [m = 0] = other.find(table, ["A"]);
  await one.update(table, "A", () => n + 1);
  one.commit();
  await other.update(table, "A", () => m + 1);
  other.commit();
  assert.equal(table.rows.get("A"), 1);
});

test("a write and a locking read wait for who has the row, and see what it has left", async () => {
  const { database, table } = await open();
  const [first, second, third] = [database.begin(), database.begin(), database.begin()];
  await first.update(table, "A", () => 5);
  const updating = second.update(table, "A", (n) => n + 1);
  const locking = third.lock(table, ["A"]);
  assert.deepEqual(await Promise.all([waits(updating), waits(locking)]), [true, true]);
  first.commit();
  assert.equal(await updating, true);
  assert.equal(await waits(locking), true);
  second.rollBack();
  assert.deepEqual(await locking, [5]);
});

for (const end of ["commit", "rollBack"] as const)
  test(`a key is added once: who comes meanwhile waits, and ${end === "commit" ? "collides" : "has it"}`, async () => {
    const { database, table } = await open();
    const [first, second] = [database.begin(), database.begin()];
    await first.insert(table, "C", 1);
    assert.deepEqual(second.find(table, ["C"]), []);
    const inserting = second.insert(table, "C", 2);
    assert.equal(await waits(inserting), true);
    first[end]();
    if (end === "commit") await assert.rejects(inserting, DuplicateKeyError);
    else await inserting;
  });

test("of transactions that wait for each other the last one is told, and the others go on", async () => {
  const { database, table } = await open();
  const [first, second] = [database.begin(), database.begin()];
  await first.lock(table, ["A"]);
  await second.lock(table, ["B"]);
  const waiting = first.lock(table, ["B"]);
  await assert.rejects(second.lock(table, ["A"]), DeadlockError);
  assert.equal(await waits(waiting), true);
  second.rollBack();
  assert.deepEqual(await waiting, [0]);
});

test("locks of many rows are taken in the order of their keys", async () => {
  const { database, table } = await open();
  const [first, second] = [database.begin(), database.begin()];
  await first.lock(table, ["B", "A"]);
  const waiting = second.lock(table, ["A", "B"]);
  first.commit();
  assert.deepEqual(await waiting, [0, 0]);
});

test("a transaction that is rolled back while it waits leaves the queue", async () => {
  const { database, table } = await open();
  const [first, second, third] = [database.begin(), database.begin(), database.begin()];
  await first.lock(table, ["A"]);
  void second.lock(table, ["A"]);
  const waiting = third.lock(table, ["A"]);
  second.rollBack();
  first.commit();
  assert.deepEqual(await waiting, [0]);
});

test("a transaction that is rolled back while it waits calls off the end of its wait", async () => {
  const { database, table } = await open();
  let calledOff = 0;
  database.afterLockWait = () => () => {
    calledOff += 1;
  };
  const [first, second] = [database.begin(), database.begin()];
  await first.lock(table, ["A"]);
  void second.lock(table, ["A"]);
  second.rollBack();
  assert.equal(calledOff, 1);
  first.commit();
});

test("what is committed is told, with what was there before", async () => {
  const { database, table } = await open();
  const told: unknown[] = [];
  database.onCommit = (changes) => told.push(...changes);
  const tx = database.begin();
  await tx.update(table, "A", () => 1);
  await tx.delete(table, ["B"]);
  assert.deepEqual(told, []);
  tx.commit();
  assert.deepEqual(told, [
    { table: "numbers", key: "A", before: 0, after: 1 },
    { table: "numbers", key: "B", before: 0, after: undefined },
  ]);
});

test("who has waited long enough for a lock is told, and does not get it later", async () => {
  const { database, table } = await open();
  const tooLong: (() => void)[] = [];
  database.afterLockWait = (run) => {
    tooLong.push(run);
    return () => {};
  };
  const [first, second, third] = [database.begin(), database.begin(), database.begin()];
  await first.lock(table, ["A"]);
  const waiting = second.lock(table, ["A"]);
  const next = third.lock(table, ["A"]);
  tooLong[0]?.();
  await assert.rejects(waiting, LockWaitError);
  assert.deepEqual(second.taken(table, ["A", "B"]), ["A"]);
  first.commit();
  assert.deepEqual(await next, [0]);
  second.rollBack();
});
