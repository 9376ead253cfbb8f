import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { isAppError } from "@shoal/kernel";
import type { Launched } from "@shoal/launcher";
import { createClient } from "@shoal/rpc";
import { openDatabase } from "@shoal/storage";
import { storageEngines, until } from "@shoal/testkit";
import { sql } from "kysely";
import { InvariantChecker } from "./check.ts";
import { startServices } from "./fixture-start-services.ts";

const callers = 16;

/** How many checks are made in traffic, and for how long at least, so that holds run out meanwhile. */
const checks = 5;
const holdMs = 1_000;
const trafficMs = 1.5 * holdMs;

/** What nobody has sold, in each database. */
const plants = [
  {
    of: "inventory",
    statement: "update products set available = available - 1, sold = sold + 1 where sku = 'TEA'",
    name: "stock-adds-up",
  },
  {
    of: "order",
    statement:
      "update order_lines set quantity = quantity + 1 where order_id = (select id from (select min(id) as id from orders) as one)",
    name: "orders-match-reservations",
  },
] as const;

for (const engine of storageEngines)
  test(`in traffic on ${engine.name} nothing is violated, and what is planted is found`, engine.options, async (t) => {
    const { launched, ...urls } = await startServices(t, engine, { SHOAL_ORDER_HOLD_MS: String(holdMs) });
    await using traffic = await startTraffic(launched);
    await using checker = new InvariantChecker(urls);
    const check = async () => {
      const findings = await checker.check({ settled: false, overdueMs: 60_000 });
      return findings.filter(({ violations }) => violations > 0);
    };
    const endsAt = performance.now() + trafficMs;
    for (let checked = 0; checked < checks || performance.now() < endsAt; checked += 1) {
      const { ended } = traffic;
      assert.deepEqual(await check(), []);
      await traffic.untilMoreThan(ended);
    }
    for (const { of, statement, name } of plants) {
      const database = openDatabase<unknown>(urls[of]);
      t.after(() => database.close());
      await sql.raw(statement).execute(database.db);
      const names = (await check()).map((finding) => finding.name);
      assert.ok(names.includes(name), `${name} is not among ${names}`);
    }
  });

/** Callers that place orders, of which they confirm some, cancel some, and leave some, until it is disposed of. */
async function startTraffic(launched: Launched) {
  const address = (service: string) => ({ address: launched.service(service).grpcAddress });
  const orders = createClient(OrderService, address("order"));
  using users = createClient(UserService, address("user"));
  using inventory = createClient(InventoryService, address("inventory"));
  const { user } = await users.createUser({ email: "ada@example.com", displayName: "Ada" });
  const price = { minorUnits: 450n, currency: "EUR" };
  for (const sku of ["TEA", "CUP"])
    await inventory.createProduct({ sku, name: sku, price, initialQuantity: 1_000_000 });
  let stopped = false;
  let ended = 0;
  let placed = 0;
  let refusal: unknown;
  const call = async () => {
    placed += 1;
    const turn = placed;
    // Of eight orders one is refused.
    const lines = [
      { sku: "TEA", quantity: turn % 8 === 0 ? 2_000_000 : 1 },
      ...(turn % 3 === 0 ? [{ sku: "CUP", quantity: 2 }] : []),
    ];
    const { order } = await orders.createOrder({ userId: user?.id ?? "", idempotencyKey: `order-${turn}`, lines });
    const orderId = order?.id ?? "";
    if (turn % 4 === 1) await orders.confirmOrder({ orderId, paymentReference: "paid" });
    if (turn % 4 === 2) await orders.cancelOrder({ orderId });
    ended += 1;
  };
  const calling = Array.from({ length: callers }, async () => {
    while (!stopped)
      try {
        await call();
      } catch (error) {
        // Refused for its stock, or ended before it was confirmed; or too much for this machine.
        if (!isAppError(error)) throw error;
        refusal = error;
        await sleep(20);
      }
  });
  return {
    /** How many calls have been answered in full. */
    get ended() {
      return ended;
    },
    /** Waits until there are more than so many; rejects with why a call was refused last when there are not. */
    untilMoreThan: (count: number) =>
      until("a call is answered", () => {
        if (ended > count) return true;
        throw refusal;
      }),
    [Symbol.asyncDispose]: async () => {
      stopped = true;
      await Promise.all(calling);
      orders[Symbol.dispose]();
    },
  };
}
