import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WatchOrdersRequest, WatchOrdersResponseSchema } from "@shoal/contracts/order/v1/order_service";
import { isAppError } from "@shoal/kernel";
import {
  decodeResumeToken,
  encodeResumeToken,
  type HandlerContext,
  resumeTokenExpired,
  serverDraining,
} from "@shoal/rpc";
import { asPlaced, domain, type Order, type OrderStatus } from "../domain/order.ts";
import type { Orders } from "../domain/orders.ts";
import type { OrderChange, OrderChanges } from "../domain/ports.ts";
import { canonicalUuid, orderToMessage } from "./messages.ts";

/** Past orders of a user that are answered at the start. */
const maxPastOrders = 100;

/** The watched orders as they are, unless a token says where to go on, then each again when it has changed. */
export async function* watchOrders(
  orders: Pick<Orders, "get" | "getAll" | "list">,
  changes: OrderChanges,
  { target, resumeToken }: Pick<WatchOrdersRequest, "target" | "resumeToken">,
  { signal, draining }: HandlerContext,
): AsyncGenerator<MessageInitShape<typeof WatchOrdersResponseSchema>, void, undefined> {
  const id = canonicalUuid(target.value ?? "");
  const isWatched = (change: OrderChange) => (target.case === "orderId" ? change.id : change.userId) === id;
  const answer = (order: Order, place: bigint) => ({
    order: orderToMessage(order),
    resumeToken: encodeResumeToken(place),
  });
  const resumed = decodeResumeToken(resumeToken, domain);
  // Known before the orders are read: what changes meanwhile is sent again rather than missed.
  const place = resumed ?? (await changes.position());
  const past = target.case === "orderId" ? [await orders.get(id)] : [];
  if (target.case === "userId" && resumed === undefined)
    past.push(...(await orders.list(id, undefined, maxPastOrders)));
  /** What was sent last: what was read may be ahead of the changes that follow. */
  const sent = new Map<string, OrderStatus>();
  if (resumed === undefined)
    for (const [index, order] of past.entries()) {
      sent.set(order.id, order.status);
      // Who has not had all of them has to begin anew.
      yield index === past.length - 1 ? answer(order, place) : { order: orderToMessage(order) };
    }
  try {
    for await (const group of changes.read(place, AbortSignal.any([signal, draining]))) {
      const news = group.filter((change) => {
        const last = sent.get(change.id);
        // An order ends once: after its end there is nothing new about it.
        return isWatched(change) && last !== change.status && (last === undefined || last === "placed");
      });
      const ids = [...new Set(news.map((change) => change.id))];
      const found = new Map((await orders.getAll(ids)).map((order) => [order.id, order]));
      for (const { id, status, place } of news) {
        const order = found.get(id);
        if (order === undefined || sent.get(id) === status) continue;
        sent.set(id, status);
        yield answer(status === "placed" ? asPlaced(order) : order, place);
        // There is nothing more to come.
        if (status !== "placed") sent.delete(id);
      }
    }
  } catch (error) {
    const isGone = isAppError(error, "EVENTS_PRUNED") || isAppError(error, "EVENTS_UNKNOWN");
    throw isGone ? resumeTokenExpired(domain, error) : error;
  }
  if (draining.aborted) throw serverDraining();
}
