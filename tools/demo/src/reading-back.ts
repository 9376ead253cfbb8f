import { mapConcurrent } from "@shoal/concurrency";
import type { Order, OrderService, OrderStatus } from "@shoal/contracts/order/v1/order_service";
import type { Client } from "@shoal/rpc";
import { each } from "./each.ts";
import { retrying } from "./retry.ts";
import { type Pieces, Tally } from "./stock-check.ts";

/** The orders of one status. */
export interface OrdersOfStatus {
  readonly count: number;
  readonly pieces: Pieces;
}

/** Users whose orders are listed at once. */
const concurrency = 8;

/** Orders a page: the most that the contract allows. */
const pageSize = 100;

/** Lists all orders of these users, page by page, and adds them up by status. */
export async function readBack(
  client: Client<typeof OrderService>,
  userIds: readonly string[],
  signal: AbortSignal,
): Promise<(status: OrderStatus) => OrdersOfStatus> {
  const sums = new Map<OrderStatus, { count: number; readonly tally: Tally }>();
  const add = ({ status, lines }: Order) => {
    const sum = sums.get(status) ?? { count: 0, tally: new Tally() };
    sums.set(status, sum);
    sum.count += 1;
    sum.tally.add(lines);
  };
  const listAll = async (userId: string) => {
    let pageToken = "";
    do {
      const request = { userId, pageSize, pageToken };
      const page = await retrying(signal, () => client.listOrders(request, { signal }));
      page.orders.forEach(add);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  };
  for await (const _ of mapConcurrent(each(userIds), concurrency, listAll));
  return (status) => {
    const { count = 0, tally = new Tally() } = sums.get(status) ?? {};
    return { count, pieces: tally.pieces };
  };
}
