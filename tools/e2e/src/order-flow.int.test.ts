import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ReservationStatus } from "@shoal/contracts/inventory/v1/inventory_service";
import {
  type Order,
  OrderStatus,
  type PlaceOrdersResponse,
  type WatchOrdersResponse,
} from "@shoal/contracts/order/v1/order_service";
import { AppError, isAppError } from "@shoal/kernel";
import { storageEngines, until } from "@shoal/testkit";
import { type Clients, readAll } from "./bad-call.ts";
import { failureOf, StatusError } from "./failure.ts";
import { newPlace, type RunningStack, startStack } from "./stack.ts";
import { got } from "./world.ts";

for (const engine of storageEngines) {
  test(`orders on ${engine.name}`, engine.options, async (t) => {
    const stack = await startStack(t, await newPlace(t, engine));
    for (const [name, run] of flows) await t.test(name, (t) => run(stack.clients, t));
    for (const [service, what, run] of crashes)
      await t.test(`when ${service} is killed, ${what}`, (t) => run(stack, t));
  });
}

test("an order that nobody confirms expires: its watcher is told and its stock is free again", async (t) => {
  const { clients } = await startStack(t, await newPlace(t), {
    env: { SHOAL_ORDER_HOLD_MS: "1000", SHOAL_ORDER_SETTLE_INTERVAL_MS: "20", SHOAL_INVENTORY_SWEEP_INTERVAL_MS: "20" },
  });
  const userId = await newUser(clients);
  const sku = await newProduct(clients, 3);
  const order = await place(clients, userId, "key", [{ sku, quantity: 2 }]);
  const watch = clients.order.watchOrders({ target: { case: "orderId", value: order.id } }, within());
  assert.deepEqual(await statuses(watch, 2), [OrderStatus.PLACED, OrderStatus.EXPIRED]);
  assert.deepEqual(await level(clients, sku), { available: 3n, held: 0n, sold: 0n });
  const failure = await failureOf(clients.order.confirmOrder({ orderId: order.id, paymentReference: "late" }));
  assert.equal(failure.infos[0]?.reason, "ORDER_EXPIRED");
});

type Flow = (clients: Clients, t: TestContext) => Promise<void>;

const flows: readonly (readonly [string, Flow])[] = [
  [
    "an order is placed, confirmed once, and its stock is sold; another is cancelled, and its stock is free again",
    async (clients) => {
      const { order } = clients;
      const userId = await newUser(clients);
      const sku = await newProduct(clients, 10);
      const first = await place(clients, userId, "first", [{ sku, quantity: 3 }]);
      const second = await place(clients, userId, "second", [{ sku, quantity: 2 }]);
      assert.deepEqual([first.total?.minorUnits, second.total?.minorUnits], [1_350n, 900n]);
      assert.deepEqual(await level(clients, sku), { available: 5n, held: 5n, sold: 0n });
      for (const _ of ["once", "again"]) {
        const paid = got((await order.confirmOrder({ orderId: first.id, paymentReference: "payment" })).order);
        assert.deepEqual([paid.status, paid.paymentReference], [OrderStatus.CONFIRMED, "payment"]);
        const cancelled = got((await order.cancelOrder({ orderId: second.id })).order);
        assert.equal(cancelled.status, OrderStatus.CANCELLED);
      }
      assert.deepEqual(await level(clients, sku), { available: 7n, held: 0n, sold: 3n });
      const { orders } = await order.listOrders({ userId });
      assert.deepEqual(orders.map(({ id }) => id).sort(), [first.id, second.id].sort());
    },
  ],
  [
    "of many who want the last piece at once, one gets it, and the others learn that nothing is left",
    async (clients) => {
      const userId = await newUser(clients);
      const sku = await newProduct(clients, 1);
      const outcomes = await Promise.allSettled(
        Array.from({ length: 30 }, (_, i) => place(clients, userId, `key-${i}`, [{ sku, quantity: 1 }])),
      );
      const losers = outcomes.filter((outcome) => outcome.status === "rejected").map(({ reason }) => reason);
      assert.equal(losers.length, 29);
      for (const error of losers) {
        assert.ok(isAppError(error, "INSUFFICIENT_STOCK"), String(error));
        assert.deepEqual(error.metadata, { sku, requested: "1", available: "0" });
      }
      assert.deepEqual(await level(clients, sku), { available: 0n, held: 1n, sold: 0n });
      assert.equal((await clients.order.listOrders({ userId })).orders.length, 1);
    },
  ],
  [
    "one idempotency key, sent many times at once, makes one order",
    async (clients) => {
      const userId = await newUser(clients);
      const sku = await newProduct(clients, 100);
      const orders = await Promise.all(
        Array.from({ length: 30 }, () => place(clients, userId, "same", [{ sku, quantity: 2 }])),
      );
      assert.deepEqual(new Set(orders.map(({ id }) => id)).size, 1);
      assert.deepEqual(await level(clients, sku), { available: 98n, held: 2n, sold: 0n });
      assert.equal((await clients.order.listOrders({ userId })).orders.length, 1);
    },
  ],
  [
    "confirming and cancelling one order at once: one of them wins, and the stock goes with it",
    async (clients) => {
      const userId = await newUser(clients);
      const sku = await newProduct(clients, 20);
      const orders = await Promise.all(
        Array.from({ length: 10 }, (_, i) => place(clients, userId, `key-${i}`, [{ sku, quantity: 1 }])),
      );
      await Promise.all(
        orders.map(async ({ id }) => {
          const both = [
            clients.order.confirmOrder({ orderId: id, paymentReference: "payment" }),
            clients.order.cancelOrder({ orderId: id }),
          ];
          const outcomes = await Promise.allSettled(both);
          const errors = outcomes.filter((outcome) => outcome.status === "rejected").map(({ reason }) => reason.reason);
          assert.equal(errors.length, 1);
          assert.match(errors[0], /^ORDER_(CONFIRMED|CANCELLED|BUSY)$/);
        }),
      );
      const ended = (await clients.order.listOrders({ userId })).orders.map(({ status }) => status);
      const sold = BigInt(ended.filter((status) => status === OrderStatus.CONFIRMED).length);
      assert.equal(ended.filter((status) => status === OrderStatus.CANCELLED).length, 10 - Number(sold));
      assert.deepEqual(await level(clients, sku), { available: 20n - sold, held: 0n, sold });
    },
  ],
  [
    "orders on a stream are answered one by one, and a bad one fails alone",
    async (clients) => {
      const userId = await newUser(clients);
      const sku = await newProduct(clients, 60);
      const requests = Array.from({ length: 60 }, (_, i) => ({
        order: { idempotencyKey: `key-${i}`, userId, lines: [{ sku: i === 30 ? "NONE" : sku, quantity: 1 }] },
      }));
      const results = await readAll(clients.order.placeOrders(sent(requests), within()));
      assert.deepEqual(
        results.map(({ idempotencyKey }) => idempotencyKey).sort(),
        requests.map(({ order }) => order.idempotencyKey).sort(),
      );
      const failed = results.filter(({ result }) => result.case !== "order");
      assert.deepEqual(
        failed.map(({ idempotencyKey }) => idempotencyKey),
        ["key-30"],
      );
      const { code, infos } = await failureOf(Promise.reject(errorIn(failed[0])));
      assert.deepEqual([code, infos[0]?.reason, infos[0]?.domain], ["NOT_FOUND", "SKU_NOT_FOUND", "shoal.order"]);
      assert.deepEqual(await level(clients, sku), { available: 1n, held: 59n, sold: 0n });
    },
  ],
  [
    "results that nobody reads bound the orders that a stream takes, and none is lost",
    async (clients) => {
      // Far more than fits in the buffers between the two: 6 MB, and results to match. Too long a key is refused at once.
      const total = 6_000;
      const padding = "x".repeat(1_000);
      let taken = 0;
      const requests = async function* () {
        for (; taken < total; taken += 1) yield { order: { idempotencyKey: `${taken} ${padding}` } };
      };
      const results = clients.order.placeOrders(requests(), { signal: AbortSignal.timeout(60_000) });
      const keys = new Set([got((await results.next()).value ?? undefined).idempotencyKey]);
      await untilStill(() => taken);
      assert.ok(taken < total / 2, `${taken} of ${total} orders were taken without anyone reading a result`);
      for await (const { idempotencyKey } of results) keys.add(idempotencyKey);
      assert.equal(keys.size, total);
    },
  ],
  [
    "watchers of a user, of an order and of the stock see every change",
    async (clients) => {
      const userId = await newUser(clients);
      const sku = await newProduct(clients, 5);
      const ofUser = clients.order.watchOrders({ target: { case: "userId", value: userId } }, within());
      const ofStock = clients.inventory.watchStock({ skus: [sku] }, within());
      const levels: (bigint | undefined)[][] = [];
      const nextLevel = async () => {
        const { stock } = got((await ofStock.next()).value ?? undefined);
        levels.push([stock?.available, stock?.held, stock?.sold]);
      };
      // The stock's first level shows that its watch has begun. A user without orders has nothing to show, so
      // a first order is awaited instead.
      await nextLevel();
      const seen = statuses(ofUser, 3);
      const order = await place(clients, userId, "key", [{ sku, quantity: 2 }]);
      await nextLevel();
      const ofOrder = clients.order.watchOrders({ target: { case: "orderId", value: order.id } }, within());
      const first = got((await ofOrder.next()).value ?? undefined);
      assert.equal(first.order?.status, OrderStatus.PLACED);
      const confirmed = ofOrder.next();
      await clients.order.confirmOrder({ orderId: order.id, paymentReference: "payment" });
      await nextLevel();
      assert.equal(got((await confirmed).value ?? undefined).order?.status, OrderStatus.CONFIRMED);
      await ofOrder.return();
      await place(clients, userId, "another", [{ sku, quantity: 1 }]);
      await nextLevel();
      assert.deepEqual(await seen, [OrderStatus.PLACED, OrderStatus.CONFIRMED, OrderStatus.PLACED]);
      await ofStock.return();
      assert.deepEqual(levels, [
        [5n, 0n, 0n],
        [3n, 2n, 0n],
        [3n, 0n, 2n],
        [2n, 1n, 2n],
      ]);
    },
  ],
];

type Crash = (stack: RunningStack, t: TestContext) => Promise<void>;

const crashes: readonly (readonly ["inventory" | "order", string, Crash])[] = [
  [
    "inventory",
    "what it held is still held, and what came meanwhile can be repeated",
    async ({ launched, clients }) => {
      const userId = await newUser(clients);
      const sku = await newProduct(clients, 100);
      const before = await Promise.all(
        Array.from({ length: 10 }, (_, i) => place(clients, userId, `before-${i}`, [{ sku, quantity: 1 }])),
      );
      const placing = Array.from({ length: 20 }, (_, i) =>
        place(clients, userId, `during-${i}`, [{ sku, quantity: 1 }]),
      );
      const during = Promise.allSettled(placing);
      await Promise.race(placing.slice(0, 3));
      process.kill(launched.service("inventory").pid, "SIGKILL");
      for (const outcome of await during) if (outcome.status === "rejected") assertUnavailable(outcome.reason);
      const orderId = got(before[0]).id;
      const paymentReference = "payment";
      await assert.rejects(clients.order.confirmOrder({ orderId, paymentReference }), assertUnavailable);
      assert.equal((await clients.order.getOrder({ orderId })).order?.status, OrderStatus.PLACED);

      await launched.restart("inventory");
      await eventually(() => clients.order.confirmOrder({ orderId, paymentReference }));
      await Promise.all(
        placing.map((_, i) => eventually(() => place(clients, userId, `during-${i}`, [{ sku, quantity: 1 }]))),
      );
      assert.equal((await clients.order.listOrders({ userId })).orders.length, 30);
      assert.deepEqual(await level(clients, sku), { available: 70n, held: 29n, sold: 1n });
      const { reservation } = await clients.inventory.getReservation({ reservationId: got(before[1]).id });
      assert.equal(reservation?.status, ReservationStatus.HELD);
    },
  ],
  [
    "order",
    "sending its stream again places every order once",
    async ({ launched, clients }) => {
      const userId = await newUser(clients);
      const sku = await newProduct(clients, 500);
      const requests = Array.from({ length: 200 }, (_, i) => ({
        order: { idempotencyKey: `key-${i}`, userId, lines: [{ sku, quantity: 1 }] },
      }));
      const interrupted = async () => {
        let results = 0;
        for await (const _ of clients.order.placeOrders(sent(requests), within())) {
          results += 1;
          if (results === 20) process.kill(launched.service("order").pid, "SIGKILL");
        }
      };
      await assert.rejects(interrupted(), (error) => isAppError(error) && error.kind === "unavailable");
      await launched.restart("order");
      // What there is no room for on a busy machine is refused for now, and sent once more.
      const results = await until("every order is answered", async () => {
        const all = await eventually(() => readAll(clients.order.placeOrders(sent(requests), within())));
        const refused = all.flatMap(({ result }) => (result.case === "error" ? [result.value] : []));
        return refused.some(({ code }) => code === 8 || code === 14) ? undefined : all;
      });
      assert.equal(new Set(results.map(({ result }) => (result.value as Order).id)).size, 200);
      assert.deepEqual(await level(clients, sku), { available: 300n, held: 200n, sold: 0n });
    },
  ],
];

let made = 0;

async function newUser({ user }: Clients): Promise<string> {
  made += 1;
  return got((await user.createUser({ email: `user-${made}@example.com`, displayName: "User" })).user).id;
}

/** A product of its own for a test, at 4.50 EUR. */
async function newProduct({ inventory }: Clients, initialQuantity: number): Promise<string> {
  made += 1;
  const price = { minorUnits: 450n, currency: "EUR" };
  return got((await inventory.createProduct({ sku: `SKU-${made}`, name: "Tea", price, initialQuantity })).product).sku;
}

async function place(
  { order }: Clients,
  userId: string,
  idempotencyKey: string,
  lines: { sku: string; quantity: number }[],
): Promise<Order> {
  return got((await order.createOrder({ userId, idempotencyKey, lines })).order);
}

async function level({ inventory }: Clients, sku: string) {
  const { stock } = await inventory.getStock({ skus: [sku] });
  const { available, held, sold } = got(stock[0]);
  return { available, held, sold };
}

/** The statuses of the next `count` answers of a watch, which is then left. */
async function statuses(watch: AsyncIterable<WatchOrdersResponse>, count: number): Promise<OrderStatus[]> {
  const seen: OrderStatus[] = [];
  for await (const { order } of watch) {
    seen.push(got(order).status);
    if (seen.length === count) break;
  }
  return seen;
}

/** No stream of a test lasts longer. */
function within() {
  return { signal: AbortSignal.timeout(20_000) };
}

async function* sent<T>(messages: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* messages;
}

function errorIn(response: PlaceOrdersResponse | undefined): Error {
  if (response?.result.case !== "error") throw new Error("there is no error");
  return new StatusError(response.result.value);
}

/** What the caller of the order service learns while the inventory is away. */
function assertUnavailable(error: unknown): true {
  assert.ok(error instanceof AppError);
  const { kind, reason, domain, retryAfterMs } = error;
  assert.deepEqual([kind, reason, domain], ["unavailable", "INVENTORY_UNAVAILABLE", "shoal.order"]);
  assert.ok((retryAfterMs ?? 0) > 0, "it says when to try again");
  return true;
}

/** Repeats a call while what it needs is away. */
async function eventually<T>(call: () => Promise<T>): Promise<T> {
  const outcome = await until("the call is answered", async () => {
    try {
      return { answer: await call() };
    } catch (error) {
      return isAppError(error) && ["unavailable", "exhausted"].includes(error.kind) ? undefined : { error };
    }
  });
  if ("error" in outcome) throw outcome.error;
  return outcome.answer;
}

/** Waits until a count has stood still for half a second. */
async function untilStill(count: () => number): Promise<void> {
  let last = count();
  let since = performance.now();
  await until("the count stands still", () => {
    if (count() !== last) {
      last = count();
      since = performance.now();
    }
    return performance.now() - since > 500;
  });
}
