import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAppError, systemClock } from "@shoal/kernel";
import { migrate, openDatabase } from "@shoal/storage";
import { type StorageEngine, storageEngines, until } from "@shoal/testkit";
import { sql } from "kysely";
import { reserveInBatches } from "../batching.ts";
import { createCatalogue } from "../domain/catalogue.ts";
import { createReservations } from "../domain/reservations.ts";
import { migrations } from "./migrations.ts";
import { createSqlInventoryStore } from "./sql-inventory-store.ts";
import type { InventoryTables } from "./tables.ts";

/** What is refused without a wait takes less than this, where a wait in vain takes a second, in milliseconds. */
const soonMs = 700;

async function open(t: TestContext, engine: StorageEngine) {
  const url = await engine.createDatabase(t);
  const database = openDatabase<InventoryTables>(url);
  t.after(() => database.close());
  await migrate(database, migrations);
  const parts = { store: createSqlInventoryStore(database, systemClock), clock: systemClock };
  const reservations = createReservations(parts);
  const batcher = reserveInBatches(reservations);
  t.after(() => batcher.close());
  const price = { minorUnits: 1n, currency: "EUR" };
  for (const sku of ["A", "B", "C"])
    await createCatalogue(parts).create({ sku, name: sku, description: "", price }, 100);
  const reserve = (id: string, ...skus: string[]) =>
    batcher.submit({ id, lines: skus.map((sku) => ({ sku, quantity: 1 })), timeToLiveMs: 60_000 });
  const operator = openDatabase<InventoryTables>(url);
  t.after(() => operator.close());
  return { parts, reservations, batcher, reserve, operator };
}

for (const engine of storageEngines.filter(({ name }) => name === "MySQL")) {
  test(
    `on ${engine.name} those who want a product that somebody keeps locked are refused, the first ones after a second, and nobody else`,
    engine.options,
    async (t) => {
      const { parts, reservations, batcher, reserve, operator } = await open(t, engine);
      await reserve("earlier", "A");
      for (const [n, sku] of [..."AAAB"].entries())
        await batcher.submit({ id: `overdue ${n} ${sku}`, lines: [{ sku, quantity: 1 }], timeToLiveMs: 0 });

      const locking = await operator.db.startTransaction().execute();
      await sql`select * from products where sku = 'A' for update`.execute(locking);
      const isBusy = (error: unknown) => {
        assert.ok(isAppError(error, "PRODUCTS_BUSY"), String(error));
        assert.match(error.message, /stock of A is/);
        return true;
      };
      const timed = async (work: Promise<unknown>) => {
        const began = performance.now();
        await work;
        return performance.now() - began;
      };
      // One batch: the first goes alone, and the others while it waits.
      const first = reserve("r1", "B");
      const mixed = [reserve("r2", "A"), reserve("r3", "B"), reserve("r4", "B", "A"), reserve("r5", "C")];
      const outcomes = await Promise.allSettled([first, ...mixed]);
      assert.deepEqual(
        outcomes.map((outcome) => (outcome.status === "rejected" ? isBusy(outcome.reason) : outcome.value.id)),
        ["r1", true, "r3", true, "r5"],
      );

      const refused = assert.rejects(reserve("r6", "A"), isBusy);
      const confirmed = assert.rejects(reservations.confirm("earlier"), isBusy);
      const others = Promise.all([reserve("r7", "B"), reserve("r8", "C")]);
      assert.ok((await timed(Promise.all([refused, confirmed, others]))) < soonMs, "nobody waits for it again");

      assert.equal(await reservations.expireOverdue(2), 1, "the sweeper finds and ends the hold of another product");
      assert.equal((await reservations.get("overdue 3 B")).status, "expired");

      await locking.commit().execute();
      await until("it is free again", () => reserve("r2", "A"));
      assert.equal(await reservations.expireOverdue(100), 3);
      await Promise.all([reserve("r4", "A", "B"), reservations.confirm("earlier")]);
      const [a] = await parts.store.find(["A"]);
      assert.deepEqual([a?.stock.available, a?.stock.held, a?.stock.sold], [97, 2, 1]);
    },
  );

  test(
    `on ${engine.name} a product that was kept locked once and is much in demand is not taken for one that is kept locked`,
    engine.options,
    async (t) => {
      const { reserve, operator } = await open(t, engine);
      const lockA = sql`select * from products where sku = 'A' for update`;
      const locking = await operator.db.startTransaction().execute();
      await lockA.execute(locking);
      await assert.rejects(reserve("r1", "A"), (error) => isAppError(error, "PRODUCTS_BUSY"));
      // As other instances do, whose transactions on it hardly leave a gap.
      let isOver = false;
      const others = Array.from({ length: 4 }, async () => {
        while (!isOver)
          await operator.transaction(async (tx) => {
            await lockA.execute(tx);
            await sleep(4);
          });
      });
      await locking.commit().execute();
      try {
        await until("it is found to be free", () => reserve("r1", "A"));
        for (let n = 2; n < 20; n += 1) await reserve(`r${n}`, "B", "A");
      } finally {
        isOver = true;
        await Promise.all(others);
      }
    },
  );
}
