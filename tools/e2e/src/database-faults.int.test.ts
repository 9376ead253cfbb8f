import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { AppError, isAppError } from "@shoal/kernel";
import { createClient } from "@shoal/rpc";
import { repositoryRoot } from "@shoal/services";
import { until } from "@shoal/testkit";
import type { RowDataPacket } from "mysql2/promise";
import { type Buyers, startBuyers } from "./buyers.ts";
import { needsOwnServer, type ShopOnOwnServer, startShopOnOwnServer } from "./shop-on-own-server.ts";

const limit = { timeout: 150_000 };

/** Breakers that a fault has opened let calls through again within this, on a busy machine, in milliseconds. */
const recoveredMs = 30_000;

/** Where all statements hang, calls that there is no room for are refused within this, in milliseconds. */
const soonMs = 2_500;

/** Waits until so many more orders are acknowledged. */
async function untilMore(buyers: Buyers, orders: number, what: string): Promise<void> {
  const enough = buyers.placed.size + orders;
  await until(what, () => buyers.placed.size >= enough, recoveredMs);
}

function buyersOf(t: TestContext, shop: ShopOnOwnServer, count: number, skus: readonly string[]): Buyers {
  const buyers = startBuyers({
    instances: [shop.clients.order],
    userId: shop.userId,
    count,
    skus: () => [skus[Math.floor(Math.random() * skus.length)] ?? ""],
    confirms: true,
  });
  t.after(() => buyers.stop().catch(() => {}));
  return buyers;
}

test("orders go on, none is lost and none is made twice, whatever befalls the database", {
  ...needsOwnServer,
  ...limit,
}, async (t) => {
  const shop = await startShopOnOwnServer(t);
  const { clients, server, userId } = shop;
  const [locked = "", ...others] = shop.skus;
  const root = await shop.openRoot();
  const buyers = buyersOf(t, shop, 16, others);
  await untilMore(buyers, 50, "orders are placed");

  await t.test("a product that somebody keeps locked holds up no orders of others", async () => {
    await root.beginTransaction();
    await root.query("select * from shop_inventory.products where sku = ? for update", [locked]);
    const wanting = buyersOf(t, shop, 8, [locked]);
    try {
      await until("it is refused", () => wanting.failures.has("PRODUCTS_BUSY"), recoveredMs);
      await untilMore(buyers, 50, "others are placed meanwhile");
      assert.equal(wanting.placed.size, 0);
    } finally {
      await root.rollback();
    }
    await untilMore(wanting, 8, "it is ordered again");
    await wanting.stop();
    assert.ok(!wanting.failures.has("CIRCUIT_OPEN"), "no breaker takes it for a fault of the service");
  });

  await t.test(
    "while the database takes no changes callers are told so, and it needs no restart after that",
    async () => {
      const request = { reservationId: crypto.randomUUID(), lines: [{ sku: locked, quantity: 1 }] };
      const reserve = () => clients.inventory.reserveStock({ ...request, timeToLive: { seconds: 60n } });
      await root.query("set global read_only = 1");
      try {
        await assert.rejects(
          reserve(),
          (error) => isAppError(error, "DATABASE_READ_ONLY") && error.kind === "unavailable",
          "a caller of the inventory",
        );
        const [orderId = ""] = buyers.placed;
        await clients.order.getOrder({ orderId });
      } finally {
        await root.query("set global read_only = 0");
      }
      await reserve();
      await untilMore(buyers, 50, "orders are placed again");
    },
  );

  await t.test("connections that are killed all the time lose no call", async () => {
    let killed = 0;
    const kill = async () => {
      const [connections] = await root.query<RowDataPacket[]>(
        "select id from information_schema.processlist where user in ('user', 'inventory', 'order')",
      );
      for (const { id } of connections) {
        // It may have ended by itself.
        await root.query(`kill ${id}`).then(
          () => (killed += 1),
          () => {},
        );
      }
      return killed >= 40;
    };
    await until("40 connections are killed", kill, recoveredMs);
    await untilMore(buyers, 50, "orders are placed again");
  });

  await t.test(
    "where all statements hang, most calls are refused soon, no one for good, and it is over with that",
    async () => {
      const eager = createClient(OrderService, { address: shop.launched.service("order").grpcAddress });
      t.after(() => eager[Symbol.dispose]());
      await root.query("flush tables with read lock");
      const began = performance.now();
      const outcomes = Array.from({ length: 300 }, async (_, n) => {
        const request = { userId, idempotencyKey: `eager-${n}`, lines: [{ sku: locked, quantity: 1 }] };
        const error = await eager.createOrder(request).then(
          () => undefined,
          (failure: unknown) => failure,
        );
        return { error, tookMs: performance.now() - began };
      });
      const refusals = outcomes.map(async (outcome) => {
        const { error, tookMs } = await outcome;
        return error instanceof AppError && tookMs < soonMs ? error.kind : undefined;
      });
      // Nothing can throw meanwhile: the calls tell what became of them.
      await sleep(soonMs + 100);
      await root.query("unlock tables");
      const soon = (await Promise.all(refusals)).filter((kind) => kind !== undefined);
      const failed = (await Promise.all(outcomes)).flatMap(({ error }) => (error instanceof AppError ? [error] : []));
      t.diagnostic(`of 300 calls ${soon.length} were refused within ${soonMs} ms, and ${failed.length} in all`);
      assert.deepEqual([...new Set(soon)], ["exhausted"]);
      assert.ok(soon.length > 100);
      const passing = ["exhausted", "unavailable", "timeout"];
      assert.deepEqual(
        failed.filter(({ kind }) => !passing.includes(kind)).map(({ reason }) => reason),
        [],
      );
      await untilMore(buyers, 50, "orders are placed again");
    },
  );

  await t.test("a server that is killed in the middle, again and again, loses nothing", async () => {
    for (let round = 0; round < 2; round += 1) {
      await server.kill();
      await server.restart();
      await untilMore(buyers, 30, "orders are placed again");
    }
  });

  await buyers.stop();
  t.diagnostic(`${buyers.placed.size} orders; failures that were told: ${JSON.stringify([...buyers.failures])}`);
  const again = await shop.openRoot();
  const [rows] = await again.query<RowDataPacket[]>("select id, status from shop_order.orders");
  const statuses = new Map(rows.map(({ id, status }) => [id as string, status as string]));
  for (const id of buyers.placed) assert.ok(statuses.has(id), `order ${id} was acknowledged`);
  for (const id of buyers.confirmed) assert.equal(statuses.get(id), "confirmed", `order ${id}`);
  const { order, inventory } = shop.databases;
  const check = join(repositoryRoot, "tools/invariants/src/main.ts");
  const checked = await promisify(execFile)(process.execPath, [check, "--order", order, "--inventory", inventory]);
  assert.match(checked.stdout, /all hold/);
});
