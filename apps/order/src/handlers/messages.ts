import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type OrderSchema, OrderStatus } from "@shoal/contracts/order/v1/order_service";
import type { Order } from "../domain/order.ts";

const statuses: Readonly<Record<Order["status"], OrderStatus>> = {
  placed: OrderStatus.PLACED,
  confirmed: OrderStatus.CONFIRMED,
  cancelled: OrderStatus.CANCELLED,
  expired: OrderStatus.EXPIRED,
};

/** An order as the contract has it. What is merely intended does not show. */
export function orderToMessage(order: Order): MessageInitShape<typeof OrderSchema> {
  return {
    id: order.id,
    userId: order.userId,
    status: statuses[order.status],
    lines: order.lines.map((line) => ({ ...line })),
    total: order.total,
    expireTime: timestampFromMs(order.expiresAtMs),
    paymentReference: order.status === "confirmed" ? (order.paymentReference ?? "") : "",
    createTime: timestampFromMs(order.createdAtMs),
    updateTime: timestampFromMs(order.updatedAtMs),
  };
}

/** A UUID of a request as it is kept: the contract lets upper case through. */
export function canonicalUuid(uuid: string): string {
  return uuid.toLowerCase();
}
