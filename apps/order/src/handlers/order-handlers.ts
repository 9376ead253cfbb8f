import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { cutPage, decodePageToken, implement } from "@shoal/rpc";
import type { Logger } from "@shoal/telemetry";
import { domain } from "../domain/order.ts";
import type { Orders } from "../domain/orders.ts";
import type { OrderChanges } from "../domain/ports.ts";
import { canonicalUuid, orderToMessage } from "./messages.ts";
import { placeOrders } from "./place-orders.ts";
import { watchOrders } from "./watch-orders.ts";

const defaultPageSize = 50;

/** What OrderService is made of. */
export interface OrderParts {
  readonly orders: Orders;
  readonly changes: OrderChanges;
  readonly log: Logger;
  /** How many orders of one PlaceOrders stream are worked on at once. */
  readonly streamConcurrency: number;
}

/** OrderService on the domain's use cases. */
export function orderHandlers({ orders, changes, log, streamConcurrency }: OrderParts) {
  return implement(OrderService, {
    createOrder: async ({ userId, idempotencyKey, lines }) => ({
      order: orderToMessage(await orders.place(canonicalUuid(userId), idempotencyKey, lines)),
    }),

    getOrder: async ({ orderId }) => ({ order: orderToMessage(await orders.get(canonicalUuid(orderId))) }),

    listOrders: async ({ userId: sentUserId, pageSize, pageToken }) => {
      const userId = canonicalUuid(sentUserId);
      const limit = pageSize || defaultPageSize;
      const scope = ["orders", userId];
      const cursor = decodePageToken(pageToken, scope, ["number", "string"], domain);
      const before = cursor && { createdAtMs: Number(cursor[0]), id: String(cursor[1]) };
      const found = await orders.list(userId, before, limit + 1);
      const { page, nextPageToken } = cutPage(found, limit, scope, ({ createdAtMs, id }) => [createdAtMs, id]);
      return { orders: page.map(orderToMessage), nextPageToken };
    },

    confirmOrder: async ({ orderId, paymentReference }) => ({
      order: orderToMessage(await orders.confirm(canonicalUuid(orderId), paymentReference)),
    }),

    cancelOrder: async ({ orderId }) => ({ order: orderToMessage(await orders.cancel(canonicalUuid(orderId))) }),

    watchOrders: (request, context) => watchOrders(orders, changes, request, context),

    placeOrders: (requests, context) => placeOrders(orders, requests, context, { streamConcurrency, log }),
  });
}
