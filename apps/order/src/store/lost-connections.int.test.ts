import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAppError } from "@shoal/kernel";
import { migrate, openDatabase } from "@shoal/storage";
import { storageEngines } from "@shoal/testkit";
import { sql } from "kysely";
import type { Order } from "../domain/order.ts";
import { batched } from "./batched-order-store.ts";
import { migrations } from "./migrations.ts";
import { createSqlOrderStore } from "./sql-order-store.ts";
import type { OrderTables } from "./tables.ts";

const orders = 600;
const callers = 30;

function placed(id: string): Order {
  const unitPrice = { minorUnits: 1n, currency: "EUR" };
  return {
    id,
    userId: "ada",
    status: "placed",
    intent: undefined,
    paymentReference: undefined,
    lines: [
      { sku: "A", quantity: 1, unitPrice },
      { sku: "B", quantity: 2, unitPrice },
    ],
    total: { minorUnits: 3n, currency: "EUR" },
    expiresAtMs: 5_000,
    settleAtMs: 5_000,
    createdAtMs: 1_000,
    updatedAtMs: 1_000,
  };
}

for (const engine of storageEngines.filter(({ name }) => name === "MySQL"))
  test(
    `on ${engine.name} every order that is tried until it is answered is there once, though connections are lost all the time`,
    engine.options,
    async (t) => {
      const url = await engine.createDatabase(t);
      const database = openDatabase<OrderTables>(url);
      t.after(() => database.close());
      const killer = openDatabase<OrderTables>(url, { maxConnections: 1 });
      t.after(() => killer.close());
      await migrate(database, migrations);
      const store = batched(createSqlOrderStore(database));
      t.after(() => store.close());

      let isOver = false;
      let killed = 0;
      const kill = async () => {
        while (!isOver) {
          await sleep(5);
          const others = sql<{ id: bigint }>`
          select id from information_schema.processlist where user = substring_index(user(), '@', 1) and id <> connection_id()`;
          for (const { id } of (await others.execute(killer.db)).rows) {
            // It may have ended by itself.
            await sql
              .raw(`kill ${id}`)
              .execute(killer.db)
              .then(
                () => (killed += 1),
                () => {},
              );
          }
        }
      };
      const killing = kill();
      let lost = 0;
      const insert = async (id: string) => {
        for (;;) {
          try {
            if ((await store.findFirst(id)) !== undefined) return;
            await store.insert(placed(id));
          } catch (error) {
            assert.ok(isAppError(error, "DATABASE_UNAVAILABLE"), String(error));
            lost += 1;
            await sleep(5);
          }
        }
      };
      const ids = Array.from({ length: orders }, (_, n) => `o${n}`).values();
      const caller = async () => {
        for (const id of ids) await insert(id);
      };
      await Promise.all(Array.from({ length: callers }, caller));
      isOver = true;
      await killing;
      t.diagnostic(`${killed} connections killed, ${lost} calls failed`);
      assert.ok(lost > 0, "connections were lost under calls");

      const count = async (table: "orders" | "order_lines" | "outbox" | "idempotency_records") => {
        const all = killer.db.selectFrom(table).select(sql<bigint>`count(*)`.as("count"));
        return Number((await all.executeTakeFirstOrThrow()).count);
      };
      assert.deepEqual(
        await Promise.all([count("orders"), count("order_lines"), count("outbox"), count("idempotency_records")]),
        [orders, 2 * orders, orders, orders],
      );
    },
  );
