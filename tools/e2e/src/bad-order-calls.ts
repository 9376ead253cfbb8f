import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { CreateOrderRequestSchema, type PlaceOrdersResponse } from "@shoal/contracts/order/v1/order_service";
import { newId } from "@shoal/kernel";
import {
  type BadCall,
  badSkus,
  badUuids,
  badVisibleAscii,
  bounded,
  type Clients,
  invalid,
  long,
  readAll,
  refused,
  send,
  skus,
  unknownId,
} from "./bad-call.ts";
import { StatusError } from "./failure.ts";
import type { World } from "./world.ts";

type OrderInit = MessageInitShape<typeof CreateOrderRequestSchema>;

/** Every way to call OrderService wrongly. */
export function badOrderCalls(world: World): readonly BadCall[] {
  return [
    ...badOrders("CreateOrder", world, ({ order }, request) => order.createOrder(request)),
    ...badOrders("PlaceOrders", world, placeOne),
    ...badOrderIds(world),
    ...badLists(world),
    ...badWatches(),
  ];
}

/** Places one order on a stream; its error, if any, is thrown as a call's would be. */
async function placeOne({ order }: Clients, request: OrderInit): Promise<PlaceOrdersResponse> {
  const [placed, ...more] = await readAll(order.placeOrders(send({ order: request }), bounded()));
  if (placed === undefined || more.length > 0) throw new Error("one order wants one result");
  const { idempotencyKey } = create(CreateOrderRequestSchema, request);
  if (placed.idempotencyKey !== idempotencyKey) throw new Error("the result is for another order");
  if (placed.result.case === "error") throw new StatusError(placed.result.value);
  return placed;
}

function badOrders(
  rpc: string,
  { ada, inactive, tea, mug, gold, nugget, last, orders }: World,
  call: (clients: Clients, request: OrderInit) => Promise<unknown>,
): readonly BadCall[] {
  const lines = [{ sku: tea.sku, quantity: 1 }];
  const order = { idempotencyKey: "new", userId: ada.id, lines };
  const having = (change: OrderInit) => (clients: Clients) => call(clients, { ...order, ...change } as OrderInit);
  // What is refused for good is refused under its key from then on: others need keys of their own.
  const withLines = (...lines: readonly { sku: string; quantity: number }[]) =>
    having({ lines: [...lines], idempotencyKey: newId() });
  const overflow = (when: string, index: number, ...lines: readonly { sku: string; quantity: number }[]) =>
    refused(rpc, when, "INVALID_ARGUMENT", "AMOUNT_OVERFLOW", withLines(...lines), {
      fields: [`lines[${index}].quantity`],
    });
  return [
    ...badVisibleAscii(128).map(([when, idempotencyKey]) =>
      invalid(rpc, `idempotency key ${when}`, ["idempotency_key"], having({ idempotencyKey })),
    ),
    ...badUuids.map(([when, userId]) => invalid(rpc, `user id ${when}`, ["user_id"], having({ userId }))),
    invalid(rpc, "no lines", ["lines"], withLines()),
    ...[101, 10_000].map((count) =>
      invalid(rpc, `${count} lines`, ["lines"], withLines(...skus(count).map((sku) => ({ sku, quantity: 1 })))),
    ),
    invalid(rpc, "a SKU twice", ["lines"], withLines(...lines, ...lines)),
    ...badSkus.map(([when, sku]) =>
      invalid(rpc, `a SKU ${when}`, ["lines[1].sku"], withLines(...lines, { sku, quantity: 1 })),
    ),
    ...[0, -1, 1_000_001, 2_147_483_647, -2_147_483_648].map((quantity) =>
      invalid(rpc, `quantity ${quantity}`, ["lines[0].quantity"], withLines({ sku: tea.sku, quantity })),
    ),
    invalid(rpc, "everything missing", ["idempotency_key", "user_id", "lines"], (clients) => call(clients, {})),
    refused(rpc, "unknown user", "NOT_FOUND", "USER_NOT_FOUND", having({ userId: unknownId })),
    refused(rpc, "inactive user", "FAILED_PRECONDITION", "USER_INACTIVE", having({ userId: inactive.id })),
    refused(
      rpc,
      "unknown SKU beside a known one",
      "NOT_FOUND",
      "SKU_NOT_FOUND",
      withLines(...lines, { sku: "NONE", quantity: 1 }),
    ),
    refused(
      rpc,
      "not enough stock of one line",
      "FAILED_PRECONDITION",
      "INSUFFICIENT_STOCK",
      withLines(...lines, { sku: last.sku, quantity: 2 }),
      { metadata: { sku: last.sku, requested: "2", available: "1" } },
    ),
    refused(
      rpc,
      "mixed currencies",
      "FAILED_PRECONDITION",
      "MIXED_CURRENCIES",
      withLines(...lines, { sku: mug.sku, quantity: 1 }),
    ),
    overflow("price × quantity beyond int64", 0, { sku: gold.sku, quantity: 2 }),
    overflow("the sum of the lines beyond int64", 1, { sku: gold.sku, quantity: 1 }, { sku: nugget.sku, quantity: 1 }),
    ...(["placed", "confirmed", "cancelled", "expired"] as const).map((status) =>
      refused(
        rpc,
        `idempotency key of an order that is ${status}, with other lines`,
        "ALREADY_EXISTS",
        "IDEMPOTENCY_KEY_REUSED",
        having({ idempotencyKey: orders[status].key, lines: [{ sku: tea.sku, quantity: 9 }] }),
      ),
    ),
  ];
}

function badOrderIds({ orders }: World): readonly BadCall[] {
  const payment = { paymentReference: "another-payment" };
  return [
    ...badUuids.flatMap(([when, orderId]) => [
      invalid("GetOrder", `id ${when}`, ["order_id"], ({ order }) => order.getOrder({ orderId })),
      invalid("ConfirmOrder", `id ${when}`, ["order_id"], ({ order }) => order.confirmOrder({ orderId, ...payment })),
      invalid("CancelOrder", `id ${when}`, ["order_id"], ({ order }) => order.cancelOrder({ orderId })),
    ]),
    refused("GetOrder", "unknown id", "NOT_FOUND", "ORDER_NOT_FOUND", ({ order }) =>
      order.getOrder({ orderId: unknownId }),
    ),
    refused("ConfirmOrder", "unknown id", "NOT_FOUND", "ORDER_NOT_FOUND", ({ order }) =>
      order.confirmOrder({ orderId: unknownId, ...payment }),
    ),
    refused("CancelOrder", "unknown id", "NOT_FOUND", "ORDER_NOT_FOUND", ({ order }) =>
      order.cancelOrder({ orderId: unknownId }),
    ),
    ...badVisibleAscii(128).map(([when, paymentReference]) =>
      invalid("ConfirmOrder", `payment reference ${when}`, ["payment_reference"], ({ order }) =>
        order.confirmOrder({ orderId: orders.placed.id, paymentReference }),
      ),
    ),
    invalid("ConfirmOrder", "everything missing", ["order_id", "payment_reference"], ({ order }) =>
      order.confirmOrder({}),
    ),
    ...(["confirmed", "cancelled", "expired"] as const).map((status) =>
      refused("ConfirmOrder", `${status} order`, "FAILED_PRECONDITION", `ORDER_${status.toUpperCase()}`, (clients) =>
        clients.order.confirmOrder({ orderId: orders[status].id, ...payment }),
      ),
    ),
    ...(["confirmed", "expired"] as const).map((status) =>
      refused("CancelOrder", `${status} order`, "FAILED_PRECONDITION", `ORDER_${status.toUpperCase()}`, (clients) =>
        clients.order.cancelOrder({ orderId: orders[status].id }),
      ),
    ),
  ];
}

function badLists({ ada, usersPageToken, ordersPageToken, othersOrdersPageToken }: World): readonly BadCall[] {
  return [
    ...badUuids.map(([when, userId]) =>
      invalid("ListOrders", `user id ${when}`, ["user_id"], ({ order }) => order.listOrders({ userId })),
    ),
    ...[-1, 101].map((pageSize) =>
      invalid("ListOrders", `page size ${pageSize}`, ["page_size"], ({ order }) =>
        order.listOrders({ userId: ada.id, pageSize }),
      ),
    ),
    invalid("ListOrders", "page token too long", ["page_token"], ({ order }) =>
      order.listOrders({ userId: ada.id, pageToken: long(513) }),
    ),
    ...[
      ["garbage", "****"],
      ["of another list", usersPageToken],
      ["of another user's orders", othersOrdersPageToken],
      ["cut short", ordersPageToken.slice(0, -8)],
      ["with half a millisecond", tampered(ordersPageToken, 0.5)],
      ["with a time out of range", tampered(ordersPageToken, 1e300)],
    ].map(([when, pageToken = ""]) =>
      refused(
        "ListOrders",
        `page token ${when}`,
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
        ({ order }) => order.listOrders({ userId: ada.id, pageToken }),
        { fields: ["page_token"] },
      ),
    ),
  ];
}

function badWatches(): readonly BadCall[] {
  return [
    invalid("WatchOrders", "no target", ["target"], ({ order }) => readAll(order.watchOrders({}, bounded()))),
    ...badUuids.flatMap(([when, value]) => [
      invalid("WatchOrders", `user id ${when}`, ["user_id"], ({ order }) =>
        readAll(order.watchOrders({ target: { case: "userId", value } }, bounded())),
      ),
      invalid("WatchOrders", `order id ${when}`, ["order_id"], ({ order }) =>
        readAll(order.watchOrders({ target: { case: "orderId", value } }, bounded())),
      ),
    ]),
    refused("WatchOrders", "unknown order", "NOT_FOUND", "ORDER_NOT_FOUND", ({ order }) =>
      readAll(order.watchOrders({ target: { case: "orderId", value: unknownId } }, bounded())),
    ),
  ];
}

/** A page token of which somebody has changed the time that it holds. */
function tampered(token: string, time: number): string {
  const [scope, , ...rest] = JSON.parse(Buffer.from(token, "base64url").toString());
  return Buffer.from(JSON.stringify([scope, time, ...rest])).toString("base64url");
}
