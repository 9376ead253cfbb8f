import type { TestContext } from "node:test";
import { type Product, ReservationStatus } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderStatus } from "@shoal/contracts/order/v1/order_service";
import type { User } from "@shoal/contracts/user/v1/user_service";
import { until } from "@shoal/testkit";
import type { Clients } from "./bad-call.ts";
import { type Place, type RunningStack, startStack } from "./stack.ts";

/** What there is before the bad calls come: one of everything that they can stumble over. */
export interface World {
  readonly ada: User;
  readonly otherUser: User;
  readonly inactive: User;
  /** 450 EUR cents, 20 pieces or more; at version 2. */
  readonly tea: Product;
  /** Priced in USD. */
  readonly mug: Product;
  /** At the highest price there is, in EUR. */
  readonly gold: Product;
  /** 1 EUR cent. */
  readonly nugget: Product;
  /** Of which 1 piece is left. */
  readonly last: Product;
  /** An adjustment that has been made. */
  readonly adjusted: { readonly adjustmentId: string; readonly sku: string; readonly delta: number };
  /** A load that has brought 3 pieces of tea. */
  readonly loadId: string;
  /** Ids by status. */
  readonly reservations: Readonly<Record<"held" | "confirmed" | "released" | "expired", string>>;
  /** Ada's orders by status, with their idempotency keys. */
  readonly orders: Readonly<
    Record<"placed" | "confirmed" | "cancelled" | "expired", { readonly id: string; readonly key: string }>
  >;
  readonly usersPageToken: string;
  readonly productsPageToken: string;
  readonly ordersPageToken: string;
  readonly othersOrdersPageToken: string;
}

/** Makes a world at a place; answers it, and the stack that it runs on. */
export async function makeWorld(t: TestContext, place: Place): Promise<{ world: World; stack: RunningStack }> {
  // What shall expire is made by a first instance of the order service, whose orders live no longer than they must.
  const stack = await startStack(t, place, {
    env: { SHOAL_ORDER_HOLD_MS: "1000", SHOAL_ORDER_SETTLE_INTERVAL_MS: "20", SHOAL_INVENTORY_SWEEP_INTERVAL_MS: "20" },
  });
  const { launched, clients } = stack;
  const { user, inventory, order } = clients;
  const users = {
    ada: got((await user.createUser({ email: "ada@example.com", displayName: "Ada" })).user),
    otherUser: got((await user.createUser({ email: "grace@example.com", displayName: "Grace" })).user),
    inactive: await inactiveUser(clients),
  };
  const products = {
    tea: await product(clients, "TEA", 450n, "EUR", 20),
    mug: await product(clients, "MUG", 900n, "USD", 20),
    gold: await product(clients, "GOLD", 2n ** 63n - 1n, "EUR", 2_000_000),
    nugget: await product(clients, "NUGGET", 1n, "EUR", 20),
    last: await product(clients, "LAST", 100n, "EUR", 1),
  };
  const lines = [{ sku: "TEA", quantity: 1 }];
  await inventory.reserveStock({ reservationId: "expired", lines, timeToLive: { seconds: 1n } });
  const expired = { userId: users.ada.id, idempotencyKey: "expired", lines };
  const expiring = got((await order.createOrder(expired)).order);
  await until("the order has expired", async () => {
    return got((await order.getOrder({ orderId: expiring.id })).order).status === OrderStatus.EXPIRED;
  });
  await until("the reservation has expired", async () => {
    const { reservation } = await inventory.getReservation({ reservationId: "expired" });
    return reservation?.status === ReservationStatus.EXPIRED;
  });
  process.kill(launched.service("order").pid, "SIGTERM");
  await launched.restart("order", { SHOAL_ORDER_HOLD_MS: "3600000" });
  return { world: await complete(clients, users, products, expiring.id), stack };
}

async function complete(
  { user, inventory, order }: Clients,
  users: Pick<World, "ada" | "otherUser" | "inactive">,
  { tea, ...products }: Pick<World, "tea" | "mug" | "gold" | "nugget" | "last">,
  expiredOrderId: string,
): Promise<World> {
  const update = { sku: tea.sku, version: tea.version, updateMask: { paths: ["name"] }, name: "Green tea" };
  const updated = got((await inventory.updateProduct(update)).product);
  const { ada } = users;
  const named = {
    userId: ada.id,
    version: ada.version,
    updateMask: { paths: ["display_name"] },
    displayName: "Ada L.",
  };
  const renamed = got((await user.updateUser(named)).user);
  const adjusted = { adjustmentId: "adjustment", sku: tea.sku, delta: 5 };
  await inventory.adjustStock(adjusted);
  const loadId = "load";
  await inventory.loadStock(teaLoad(updated, loadId));

  const lines = [{ sku: tea.sku, quantity: 1 }];
  for (const reservationId of ["held", "confirmed", "released"])
    await inventory.reserveStock({ reservationId, lines, timeToLive: { seconds: 86_400n } });
  await inventory.confirmReservation({ reservationId: "confirmed" });
  await inventory.releaseReservation({ reservationId: "released" });

  const place = async (userId: string, idempotencyKey: string) => {
    const { id } = got((await order.createOrder({ userId, idempotencyKey, lines })).order);
    return { id, key: idempotencyKey };
  };
  const orders = {
    placed: await place(ada.id, "placed"),
    confirmed: await place(ada.id, "confirmed"),
    cancelled: await place(ada.id, "cancelled"),
    expired: { id: expiredOrderId, key: "expired" },
  };
  await order.confirmOrder({ orderId: orders.confirmed.id, paymentReference: "payment" });
  await order.cancelOrder({ orderId: orders.cancelled.id });
  for (const key of ["one", "two"]) await place(users.otherUser.id, key);
  return {
    ...users,
    ada: renamed,
    ...products,
    tea: updated,
    adjusted,
    loadId,
    reservations: { held: "held", confirmed: "confirmed", released: "released", expired: "expired" },
    orders,
    usersPageToken: token(await user.listUsers({ pageSize: 1 })),
    productsPageToken: token(await inventory.listProducts({ pageSize: 1 })),
    ordersPageToken: token(await order.listOrders({ userId: ada.id, pageSize: 1 })),
    othersOrdersPageToken: token(await order.listOrders({ userId: users.otherUser.id, pageSize: 1 })),
  };
}

/** The load of a world, as it was sent. */
export async function* teaLoad({ sku, name, description, price }: Product, loadId: string) {
  yield { loadId, line: { sku, name, description, ...(price && { price }), quantity: 3 } };
}

async function inactiveUser({ user }: Clients): Promise<User> {
  const created = got((await user.createUser({ email: "gone@example.com", displayName: "Gone" })).user);
  return got((await user.deactivateUser({ userId: created.id })).user);
}

async function product({ inventory }: Clients, sku: string, minorUnits: bigint, currency: string, pieces: number) {
  const request = { sku, name: sku, price: { minorUnits, currency }, initialQuantity: pieces };
  return got((await inventory.createProduct(request)).product);
}

function token({ nextPageToken }: { readonly nextPageToken: string }): string {
  if (nextPageToken === "") throw new Error("there is no next page");
  return nextPageToken;
}

/** What a response must hold. */
export function got<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the response is empty");
  return value;
}
