import { AppError, newId } from "@shoal/kernel";
import type { System } from "./system.ts";

const price = { minorUnits: 450n, currency: "EUR" };

/** What a round of calls goes on with. */
export interface Shop {
  readonly userId: string;
  readonly sku: string;
}

/** A user who may order, and something to order. */
export async function openShop({ users, inventory }: System): Promise<Shop> {
  const { user } = await users.createUser({ email: `${newId()}@example.com`, displayName: "Ada" });
  const sku = newId();
  await inventory.createProduct({ sku, name: "Green tea", price, initialQuantity: 1_000_000 });
  return { userId: user?.id ?? "", sku };
}

/** Watches orders and stock until the signal aborts. */
export async function watch({ orders, inventory }: System, { userId, sku }: Shop, signal: AbortSignal): Promise<void> {
  const drain = async (stream: AsyncIterable<unknown>) => {
    for await (const _ of stream);
  };
  await Promise.allSettled([
    drain(orders.watchOrders({ target: { case: "userId", value: userId } }, { signal })),
    drain(inventory.watchStock({ skus: [sku] }, { signal })),
  ]);
}

/** Some of everything that callers do, wrong things among it. Calls may fail. */
export async function makeRound({ users, inventory, orders }: System, { userId, sku }: Shop): Promise<void> {
  const order = (quantity: number) => ({ userId, idempotencyKey: newId(), lines: [{ sku, quantity }] });
  const places = Array.from({ length: 12 }, async (_, turn) => {
    const { order: placed } = await orders.createOrder(order(1));
    const orderId = placed?.id ?? "";
    if (turn % 3 === 0) await orders.confirmOrder({ orderId, paymentReference: "paid" });
    if (turn % 3 === 1) await orders.cancelOrder({ orderId });
    await orders.getOrder({ orderId });
  });
  const stream = async () => {
    for await (const _ of orders.placeOrders(asStream([{ order: order(1) }, { order: order(0) }])));
  };
  await Promise.all(
    [
      ...places,
      stream(),
      orders.createOrder(order(1_000_000)),
      orders.getOrder({ orderId: newId() }),
      orders.getOrder({ orderId: "no id" }),
      orders.listOrders({ userId }),
      users.getUser({ userId }),
      users.listUsers({ pageSize: 1 }),
      users.listUsers({ pageSize: 1 }),
      ...Array.from({ length: 10 }, () => inventory.getStock({ skus: [sku] })),
    ].map(mayFail),
  );
}

/** Has the user service fail until the gateway's breaker before it opens, and calls held back. */
export async function breakUsers(system: System, { userId }: Shop): Promise<void> {
  await system.setFaults("user", [{ method: "GetUser", fault: { code: "UNAVAILABLE" } }]);
  // So many at once, and once more while the breaker is open.
  for (let turn = 0; turn < 2; turn += 1)
    await Promise.all(Array.from({ length: 30 }, () => mayFail(system.users.getUser({ userId }))));
  await system.setFaults("user", []);
}

/** What a service answers is no matter; anything else is. */
async function mayFail(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
  }
}

async function* asStream<T>(values: readonly T[]) {
  yield* values;
}
