import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Broadcast, LaggedError } from "@shoal/concurrency";
import type { WatchOrdersRequest, WatchOrdersResponseSchema } from "@shoal/contracts/order/v1/order_service";
import { AppError } from "@shoal/kernel";
import { type HandlerContext, serverDraining } from "@shoal/rpc";
import { domain, type Order } from "../domain/order.ts";
import type { Orders } from "../domain/orders.ts";
import { canonicalUuid, orderToMessage } from "./messages.ts";

/** Tells of every order that was placed or has ended. */
export type OrderChanges = Broadcast<Order>;

/** Past orders of a user that are answered at the start. */
const maxPastOrders = 100;

/** The watched orders as they are, then each again when it has changed, and a user's new ones. */
export async function* watchOrders(
  orders: Orders,
  changes: OrderChanges,
  target: WatchOrdersRequest["target"],
  { signal, draining }: HandlerContext,
): AsyncGenerator<MessageInitShape<typeof WatchOrdersResponseSchema>, void, undefined> {
  const id = canonicalUuid(target.value ?? "");
  const watches = (order: Order) => (target.case === "orderId" ? order.id : order.userId) === id;
  // Subscribed before the first read: what changes meanwhile is sent again rather than missed.
  const changed = changes.subscribe(watches, AbortSignal.any([signal, draining]));
  try {
    const past = target.case === "orderId" ? [await orders.get(id)] : await orders.list(id, undefined, maxPastOrders);
    for (const order of past) yield { order: orderToMessage(order) };
    // What was read may be ahead of what was queued before it.
    const known = new Map(past.map(({ id, status }) => [id, status]));
    for await (const order of changed) {
      const last = known.get(order.id);
      if (last !== undefined) {
        // An order ends once: after its end there is nothing new about it.
        if (last === order.status || last !== "placed") continue;
        known.set(order.id, order.status);
      }
      yield { order: orderToMessage(order) };
    }
  } catch (error) {
    throw error instanceof LaggedError ? watchLagged(error) : error;
  } finally {
    await changed.return?.();
  }
  if (draining.aborted) throw serverDraining();
}

/** RESOURCE_EXHAUSTED: the reader was too slow for what happened. */
function watchLagged(cause: LaggedError): AppError {
  return new AppError({
    kind: "exhausted",
    reason: "WATCH_LAGGED",
    domain,
    message: "changes came faster than they were read; watch anew to see the orders as they are",
    retryAfterMs: 0,
    cause,
  });
}
