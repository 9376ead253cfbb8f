import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { createClient } from "@shoal/rpc";
import { type Database, openDatabase } from "@shoal/storage";
import { type StorageEngine, storageEngines, until } from "@shoal/testkit";
import { type RawBuilder, sql } from "kysely";
import { checkInvariants, InvariantChecker } from "./check.ts";
import { startServices } from "./fixture-start-services.ts";
import { SnapshotError } from "./snapshot.ts";

for (const engine of storageEngines)
  test(`invariants on ${engine.name}`, engine.options, async (t) => {
    const urls = await ordersOf(t, engine);
    const databases = { order: openDatabase<unknown>(urls.order), inventory: openDatabase<unknown>(urls.inventory) };
    t.after(() => Promise.all([databases.order.close(), databases.inventory.close()]));
    // So that stock can be planted that the schema itself refuses.
    await run(
      databases.inventory,
      databases.inventory.engine === "mysql"
        ? "alter table products drop constraint products_stock"
        : "pragma ignore_check_constraints = on",
    );
    await using checker = new InvariantChecker(urls);
    const violated = async (settled: boolean) => {
      const findings = await checker.check({ settled, overdueMs: 60_000 });
      return findings.filter(({ violations }) => violations > 0);
    };
    await t.test("hold where services have placed, confirmed, cancelled and expired orders", async () => {
      assert.deepEqual(await violated(true), []);
      const findings = await checker.check({ settled: true, overdueMs: 60_000 });
      assert.equal(findings.find(({ name }) => name === "orders-match-reservations")?.rows, 4);
    });
    await t.test("hold when the orders are compared one part after the other", async () => {
      await using inParts = new InvariantChecker(urls, 1);
      const options = { settled: true, overdueMs: 60_000 };
      assert.deepEqual(await inParts.check(options), await checker.check(options));
    });
    for (const plant of plants)
      await t.test(`are violated by ${plant.what}`, async () => {
        const rows = await copyOf(databases);
        for (const statement of plant.statements) await run(databases[plant.of ?? "order"], statement);
        const found = await violated(plant.settled ?? false);
        await restore(databases, rows);
        assert.deepEqual(
          found.map(({ name }) => name),
          plant.names,
          JSON.stringify(found, undefined, 2),
        );
        for (const { violations, examples } of found) assert.ok(violations > 0 && examples.length > 0);
        const words = found.flatMap(({ examples }) => examples).join("\n");
        assert.match(words, plant.tells);
      });
    assert.deepEqual(await violated(true), [], "all that was planted is gone");
  });

test("says which database cannot be read, and why", async () => {
  const nowhere = "sqlite:/nowhere/order.db";
  const options = { order: nowhere, inventory: nowhere, settled: false, overdueMs: 60_000 };
  await assert.rejects(checkInvariants(options), isSnapshotError(/there is no database \/nowhere\/order\.db/, true));
  const unreachable = { ...options, order: "mysql://nobody:none@127.0.0.1:1/none" };
  const refused = /the order service's database cannot be read: .*ECONNREFUSED/;
  await assert.rejects(checkInvariants(unreachable), isSnapshotError(refused, true));
  const strange = { ...options, order: `sqlite:${import.meta.filename}` };
  await assert.rejects(checkInvariants(strange), isSnapshotError(/cannot be read: file is not a database/, false));
});

const isSnapshotError = (message: RegExp, isAbsent: boolean) => (error: unknown) => {
  assert.ok(error instanceof SnapshotError);
  assert.match(error.message, message);
  assert.equal(error.isAbsent, isAbsent);
  return true;
};

interface Plant {
  readonly what: string;
  /** Whose database. Default: the order service's. */
  readonly of?: "order" | "inventory";
  readonly settled?: boolean;
  readonly statements: readonly string[];
  /** Which invariants are violated. */
  readonly names: readonly string[];
  readonly tells: RegExp;
}

const idOf = (status: string, table = "orders") =>
  `(select id from (select min(id) as id from ${table} where status = '${status}') as chosen)`;
const longAgo = "1000";
const plants: readonly Plant[] = [
  {
    what: "an adjustment that is lost",
    of: "inventory",
    statements: ["delete from adjustments"],
    names: ["stock-adds-up"],
    tells: /TEA: available \d+, held 0, sold \d; adjusted by 0,/,
  },
  {
    what: "pieces that nobody has sold",
    of: "inventory",
    statements: ["update products set sold = sold + 1, available = available - 1"],
    names: ["stock-adds-up"],
    tells: /TEA: .* reservations hold 0 and sold 2/,
  },
  {
    what: "lines of a product that there is not",
    of: "inventory",
    statements: ["insert into adjustments values ('adjust', 'x', 'NONE', 0, '', 1)"],
    names: ["stock-adds-up"],
    tells: /NONE: .*there is no such product/,
  },
  {
    what: "stock that is oversold",
    of: "inventory",
    statements: ["update products set available = -1"],
    names: ["stock-adds-up", "stock-not-negative"],
    tells: /TEA: available -1, held/,
  },
  {
    what: "an order without a reservation",
    of: "inventory",
    statements: [`delete from reservations where id = ${idOf("expired", "reservations")}`],
    names: ["orders-match-reservations"],
    tells: /order \S+: it is expired, and has no reservation/,
  },
  {
    what: "an order whose reservation ended in another way",
    statements: [`update orders set status = 'cancelled' where id = ${idOf("confirmed")}`],
    names: ["orders-match-reservations", "orders-tell-changes"],
    tells: /it is cancelled, and its reservation confirmed/,
  },
  {
    what: "an order with other lines than its reservation",
    statements: ["update order_lines set quantity = quantity + 1"],
    names: ["orders-match-reservations"],
    tells: /its lines are TEA 3 at 450, and those of its reservation TEA 2 at 450/,
  },
  {
    what: "an order without lines",
    statements: [`delete from order_lines where order_id = ${idOf("confirmed")}`],
    names: ["orders-match-reservations"],
    tells: /it has no lines/,
  },
  {
    what: "an order that nobody settles",
    statements: [
      `update orders set status = 'placed', settle_at_ms = ${longAgo} where status = 'expired'`,
      "delete from outbox where version = 2 and payload like '%expired%'",
    ],
    names: ["orders-match-reservations"],
    tells: /it is placed, its reservation expired, and it is to be settled since more than 60000 ms/,
  },
  {
    what: "a sale without an order",
    statements: [
      ...["order_lines where order_id", "idempotency_records where id", "outbox where event_key"].map(
        (rows) => `delete from ${rows} = ${idOf("confirmed")}`,
      ),
      `delete from orders where id = ${idOf("confirmed")}`,
    ],
    names: ["sales-have-orders"],
    tells: /is sold, and there is no such order/,
  },
  {
    what: "an order that was refused too",
    statements: [`update idempotency_records set error = '{}' where id = ${idOf("cancelled")}`],
    names: ["one-key-one-order"],
    tells: /order \S+ was refused too/,
  },
  {
    what: "an order whose answer is lost",
    statements: [
      `delete from idempotency_records where id = (select id from (select id from orders order by created_at_ms desc limit 1) as chosen)`,
    ],
    names: ["one-key-one-order"],
    tells: /order \S+ has no answer/,
  },
  {
    what: "an answer whose order is lost",
    statements: ["insert into idempotency_records values ('lost', 'f', null, 9000000000000)"],
    names: ["one-key-one-order"],
    tells: /the answer lost is an order, and there is none/,
  },
  {
    what: "a hold that nobody ends",
    of: "inventory",
    statements: [`insert into reservations values ('r', 'held', 1, 'EUR', ${longAgo}, 1)`],
    names: ["ended-once"],
    tells: /reservation r is held, and its time was over at 1000/,
  },
  {
    what: "a hold in no status",
    of: "inventory",
    statements: ["insert into reservations values ('r', 'lost', 1, 'EUR', 1, 1)"],
    names: ["ended-once"],
    tells: /reservation r is lost/,
  },
  {
    what: "an order that ends twice",
    statements: [
      "insert into outbox (topic, event_key, version, payload, at_ms, seq) select topic, event_key, 3, payload, at_ms, null from outbox where payload like '%cancelled%'",
    ],
    names: ["ended-once", "orders-tell-changes"],
    tells: /is cancelled, and has more than one end event/,
  },
  {
    what: "stock that is held when all is settled",
    of: "inventory",
    settled: true,
    statements: ["insert into reservations values ('r', 'held', 1, 'EUR', 9000000000000, 1)"],
    names: ["nothing-left"],
    tells: /reservation r is held/,
  },
  {
    what: "an order that is placed when all is settled",
    settled: true,
    statements: [`update orders set status = 'placed', settle_at_ms = 9000000000000 where status = 'expired'`],
    names: ["nothing-left", "orders-tell-changes"],
    tells: /is placed, and its time is over/,
  },
  {
    what: "an end that is not told",
    statements: ["delete from outbox where payload like '%cancelled%'"],
    names: ["ended-once", "orders-tell-changes", "order-events-in-place"],
    tells: /is cancelled: event 2 is missing/,
  },
  {
    what: "an end that is told as another",
    statements: ["update outbox set payload = replace(payload, 'cancelled', 'expired')"],
    names: ["orders-tell-changes"],
    tells: /is cancelled: event 2 has another status/,
  },
  {
    what: "an event of no order",
    statements: [
      "insert into outbox (topic, event_key, version, payload, at_ms, seq) values ('order', 'lost', 1, '[\"u\",\"placed\"]', 1, null)",
    ],
    names: ["orders-tell-changes"],
    tells: /event 1 of order lost: there is no such order/,
  },
  {
    what: "a change of stock that is not told",
    of: "inventory",
    statements: ["update products set stock_version = stock_version + 1"],
    names: ["stock-tells-changes"],
    tells: /TEA: \d+ events from 1 to \d+/,
  },
  {
    what: "two events in one place",
    of: "inventory",
    statements: ["update outbox set seq = 3 where seq = 4"],
    names: ["inventory-events-in-place"],
    tells: /place 3 comes after place 3/,
  },
  {
    what: "places against the order of versions",
    statements: ["update outbox set seq = (select next_seq from outbox_position) - seq"],
    names: ["order-events-in-place"],
    tells: /order \S+: version \d has place \d, and version \d \d/,
  },
  {
    what: "a place that is given twice next",
    statements: ["update outbox_position set next_seq = next_seq - 1"],
    names: ["order-events-in-place"],
    tells: /place \d+ is not before \d+/,
  },
  {
    what: "an event without a place when all is settled",
    settled: true,
    statements: [
      "update outbox set seq = null where seq = (select seq from (select max(seq) as seq from outbox) as last_one)",
    ],
    names: ["order-events-in-place"],
    tells: /order\/\S+\/\d has no place/,
  },
];

type Databases = Readonly<Record<"order" | "inventory", Database<unknown>>>;

const tables = {
  order: ["orders", "order_lines", "idempotency_records", "outbox", "outbox_position"],
  inventory: ["products", "adjustments", "reservations", "reservation_lines", "outbox"],
} as const;

async function run<R = unknown>(
  { db }: Pick<Database<unknown>, "db">,
  statement: string | RawBuilder<R>,
): Promise<readonly R[]> {
  return (await (typeof statement === "string" ? sql.raw<R>(statement) : statement).execute(db)).rows;
}

type Row = Readonly<Record<string, unknown>>;

async function copyOf(
  databases: Databases,
): Promise<readonly (readonly ["order" | "inventory", string, readonly Row[]])[]> {
  const copy: [keyof Databases, string, readonly Row[]][] = [];
  for (const service of ["order", "inventory"] as const)
    for (const table of tables[service])
      copy.push([service, table, await run<Row>(databases[service], `select * from ${table}`)]);
  return copy;
}

async function restore(databases: Databases, copy: Awaited<ReturnType<typeof copyOf>>): Promise<void> {
  for (const [service, table, rows] of copy)
    await databases[service].transaction(async (db) => {
      await run({ db }, `delete from ${table}`);
      for (const row of rows) {
        const columns = sql.join(Object.keys(row).map((column) => sql.ref(column)));
        const values = sql.join(Object.values(row));
        await run({ db }, sql`insert into ${sql.table(table)} (${columns}) values (${values})`);
      }
    });
}

/** The databases of services that have had four orders, and that have been stopped. */
async function ordersOf(t: TestContext, engine: StorageEngine) {
  const { launched, order, inventory } = await startServices(t, engine);
  await placeOrders((name) => launched.service(name).grpcAddress);
  const orders = openDatabase<unknown>(order);
  const stock = openDatabase<unknown>(inventory);
  await run(stock, `update reservations set expires_at_ms = ${longAgo} where status = 'held'`);
  await until("no hold is left", async () => {
    const [held] = await run<{ n: bigint }>(stock, "select count(*) as n from reservations where status = 'held'");
    return held?.n === 0n;
  });
  await run(orders, `update orders set expires_at_ms = ${longAgo}, settle_at_ms = ${longAgo} where status = 'placed'`);
  await until("no order is placed and all events have places", async () => {
    const placed = await run<{ n: bigint }>(orders, "select count(*) as n from orders where status = 'placed'");
    const events = await run<{ n: bigint }>(orders, "select count(*) as n from outbox where seq is not null");
    return placed[0]?.n === 0n && events[0]?.n === 8n;
  });
  await orders.close();
  await until("the events of the stock have places", async () => {
    const [left] = await run<{ n: bigint }>(stock, "select count(*) as n from outbox where seq is null");
    return left?.n === 0n;
  });
  await stock.close();
  await launched.stop();
  return { order, inventory };
}

async function placeOrders(addressOf: (service: string) => string): Promise<void> {
  using users = createClient(UserService, { address: addressOf("user") });
  using inventory = createClient(InventoryService, { address: addressOf("inventory") });
  using orders = createClient(OrderService, { address: addressOf("order") });
  const { user } = await users.createUser({ email: "ada@example.com", displayName: "Ada" });
  const price = { minorUnits: 450n, currency: "EUR" };
  await inventory.createProduct({ sku: "TEA", name: "Tea", price, initialQuantity: 20 });
  const place = async (idempotencyKey: string, quantity: number) => {
    const lines = [{ sku: "TEA", quantity }];
    const { order } = await orders.createOrder({ userId: user?.id ?? "", idempotencyKey, lines });
    return order?.id ?? "";
  };
  await orders.confirmOrder({ orderId: await place("confirmed", 2), paymentReference: "paid" });
  await orders.cancelOrder({ orderId: await place("cancelled", 2) });
  await place("expired", 2);
  await place("expired-too", 2);
  // Refused: its answer is an error, and no order.
  await assert.rejects(place("refused", 1_000));
}
