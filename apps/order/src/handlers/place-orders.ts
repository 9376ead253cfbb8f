import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { mapConcurrent, untilAborted } from "@shoal/concurrency";
import {
  CreateOrderRequestSchema,
  type PlaceOrdersRequest,
  type PlaceOrdersResponseSchema,
} from "@shoal/contracts/order/v1/order_service";
import { AppError } from "@shoal/kernel";
import { type HandlerContext, requireValid, serverDraining, statusOf } from "@shoal/rpc";
import type { Logger } from "@shoal/telemetry";
import { domain } from "../domain/order.ts";
import type { Orders } from "../domain/orders.ts";
import { canonicalUuid, orderToMessage } from "./messages.ts";

type Response = MessageInitShape<typeof PlaceOrdersResponseSchema>;

/**
 * Places the orders of a stream, up to `streamConcurrency` at once, and answers each as soon as it is known. When the
 * server drains, no further order is read, those at work are answered, and the stream fails with SERVER_DRAINING.
 */
export async function* placeOrders(
  orders: Orders,
  requests: AsyncIterable<PlaceOrdersRequest>,
  { signal, draining }: HandlerContext,
  { streamConcurrency, log }: { readonly streamConcurrency: number; readonly log: Logger },
): AsyncGenerator<Response, void, undefined> {
  const place = async ({ order = create(CreateOrderRequestSchema) }: PlaceOrdersRequest): Promise<Response> => {
    const { idempotencyKey, userId, lines } = order;
    try {
      requireValid(CreateOrderRequestSchema, order, domain);
      const placed = await orders.place(canonicalUuid(userId), idempotencyKey, lines);
      return { idempotencyKey, result: { case: "order", value: orderToMessage(placed) } };
    } catch (error) {
      // The call has ended: there is nobody to answer.
      if (signal.aborted) throw error;
      if (!(error instanceof AppError)) log.error({ err: error }, "an order of a stream failed unexpectedly");
      return { idempotencyKey, result: { case: "error", value: statusOf(error) } };
    }
  };
  yield* mapConcurrent(untilAborted(requests, draining), streamConcurrency, place);
  if (draining.aborted) throw serverDraining();
}
