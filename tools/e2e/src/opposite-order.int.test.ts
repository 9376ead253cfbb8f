import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "@shoal/testkit";
import type { Connection, RowDataPacket } from "mysql2/promise";
import { startBuyers } from "./buyers.ts";
import { needsOwnServer, startShopOnOwnServer } from "./shop-on-own-server.ts";

const orders = 200;

/** How many deadlocks the server has ended since it was started. */
async function deadlocks(root: Connection): Promise<number> {
  const [rows] = await root.query<RowDataPacket[]>(
    "select count from information_schema.innodb_metrics where name = 'lock_deadlocks'",
  );
  return Number(rows[0]?.["count"]);
}

// On SQLite there is one writer at a time, and no row is locked.
test("orders of the same products in opposite order, at two instances of the inventory, never deadlock", {
  ...needsOwnServer,
  timeout: 120_000,
}, async (t) => {
  const shop = await startShopOnOwnServer(t, { scale: new Map([["inventory", 2]]) });
  const root = await shop.openRoot();
  const before = await deadlocks(root);
  const [a = "", b = "", c = ""] = shop.skus;
  const arrangements = [
    [a, b],
    [b, a],
    [c, b, a],
    [a, c],
  ];
  const buyers = arrangements.map((skus) =>
    startBuyers({ instances: [shop.clients.order], userId: shop.userId, count: 6, skus: () => skus, confirms: true }),
  );

  t.after(() => Promise.allSettled(buyers.map((one) => one.stop())));
  const confirmed = () => buyers.reduce((sum, one) => sum + one.confirmed.size, 0);
  await until(`${orders} orders are confirmed`, () => confirmed() >= orders, 60_000);
  await Promise.all(buyers.map((one) => one.stop()));
  t.diagnostic(`${confirmed()} orders; ${JSON.stringify(buyers.flatMap(({ failures }) => [...failures]))}`);
  assert.equal((await deadlocks(root)) - before, 0);

  // That it would have been seen.
  const other = await shop.openRoot();
  for (const [session, sku] of [
    [root, a],
    [other, b],
  ] as const) {
    await session.beginTransaction();
    await session.query("update shop_inventory.products set held = held where sku = ?", [sku]);
  }
  await Promise.allSettled([
    root.query("update shop_inventory.products set held = held where sku = ?", [b]),
    other.query("update shop_inventory.products set held = held where sku = ?", [a]),
  ]);
  await Promise.all([root.rollback(), other.rollback()]);
  assert.equal((await deadlocks(root)) - before, 1);
});
