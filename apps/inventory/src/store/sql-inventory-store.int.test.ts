import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "@shoal/kernel";
import { migrate, openDatabase } from "@shoal/storage";
import { storageEngines } from "@shoal/testkit";
import type { KyselyPlugin } from "kysely";
import { fenceOf, type Reservation } from "../domain/reservation.ts";
import { inventoryStoreContract } from "./inventory-store.contract.ts";
import { migrations } from "./migrations.ts";
import { openTestStore } from "./open-test-store.contract.ts";
import { createSqlInventoryStore } from "./sql-inventory-store.ts";
import type { InventoryTables } from "./tables.ts";

for (const engine of storageEngines) {
  inventoryStoreContract(engine.name, (t) => openTestStore(t, engine), engine.options);

  test(`${engine.name} deletes no reservation that was made where it has found a fence`, engine.options, async (t) => {
    const database = openDatabase<InventoryTables>(await engine.createDatabase(t));
    t.after(() => database.close());
    await migrate(database, migrations);
    const store = createSqlInventoryStore(database, systemClock);
    const fence = fenceOf("r", 0, 1_000);
    const line = { sku: "A", quantity: 1, unitPrice: { minorUnits: 1n, currency: "EUR" } };
    const late: Reservation = { ...fence, status: "held", lines: [line], total: line.unitPrice, expiresAtMs: 1_500 };
    await store.transaction((tx) => tx.insertReservations([fence]));
    /** Another instance deletes the same fence, and the request that was late comes, between what is found and what is deleted. */
    const comeLate: KyselyPlugin = {
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        if (result.rows.length > 0) {
          await store.deleteFences(2_000, 1);
          await store.transaction((tx) => tx.insertReservations([late]));
        }
        return result;
      },
    };
    const slow = createSqlInventoryStore({ ...database, db: database.db.withPlugin(comeLate) }, systemClock);
    await slow.deleteFences(2_000, 1);
    assert.equal((await store.findReservation("r"))?.status, "held");
  });
}
