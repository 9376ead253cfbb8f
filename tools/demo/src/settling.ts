import { mapConcurrent } from "@shoal/concurrency";
import { type Order, type OrderService, OrderStatus } from "@shoal/contracts/order/v1/order_service";
import { isAppError } from "@shoal/kernel";
import type { Client } from "@shoal/rpc";
import { DemoError } from "./demo-error.ts";
import { each } from "./each.ts";
import type { Placing } from "./placing.ts";
import { retrying } from "./retry.ts";
import { type Pieces, Tally } from "./stock-check.ts";

type Orders = Client<typeof OrderService>;
type OrderToSettle = Placing["toSettle"][number];

/** Orders that are confirmed or cancelled at once. */
const concurrency = 32;

/** What {@link settleOrders} needs. */
export interface SettlingOptions {
  readonly toSettle: readonly OrderToSettle[];
  readonly runId: string;
  readonly signal: AbortSignal;
  /** Told of each order that has been settled. */
  readonly onSettled: () => void;
}

/** What became of the orders. */
export interface Settling {
  readonly confirmed: { readonly count: number; readonly pieces: Pieces };
  readonly cancelled: number;
}

/** Confirms or cancels each order, as its fate is. Throws when one cannot be. */
export async function settleOrders(client: Orders, options: SettlingOptions): Promise<Settling> {
  const { toSettle, runId, signal, onSettled } = options;
  const confirmed = new Tally();
  let confirmedCount = 0;
  let cancelled = 0;
  const settle = (order: OrderToSettle) => retrying(signal, () => settleOne(client, order, runId, signal));
  for await (const { status, lines } of mapConcurrent(each(toSettle), concurrency, settle)) {
    if (status === OrderStatus.CONFIRMED) {
      confirmedCount += 1;
      confirmed.add(lines);
    } else cancelled += 1;
    onSettled();
  }
  return { confirmed: { count: confirmedCount, pieces: confirmed.pieces }, cancelled };
}

async function settleOne(client: Orders, { id, number, fate }: OrderToSettle, runId: string, signal: AbortSignal) {
  try {
    if (fate === "confirm") {
      const request = { orderId: id, paymentReference: `${runId}-${number}` };
      return requireStatus((await client.confirmOrder(request, { signal })).order, OrderStatus.CONFIRMED);
    }
    return requireStatus((await client.cancelOrder({ orderId: id }, { signal })).order, OrderStatus.CANCELLED);
  } catch (error) {
    if (isAppError(error, "ORDER_EXPIRED")) throw holdTooShort();
    throw error;
  }
}

/** Orders have expired while the demo ran. */
export function holdTooShort(): DemoError {
  return new DemoError(
    "orders expired while the demo ran: set SHOAL_ORDER_HOLD_MS of the order service to more, or send fewer --orders",
  );
}

function requireStatus(order: Order | undefined, status: OrderStatus): Order {
  if (order?.status === status) return order;
  throw new DemoError(`order ${order?.id} should be ${OrderStatus[status]}, and was answered as ${order?.status}`);
}
