import type { Money } from "@shoal/kernel";
import type { HoldEnd, Intent, Order, OrderLine, OrderStatus, RequestedLine } from "./order.ts";

/** Where orders are kept. */
export interface OrderStore {
  find(id: string): Promise<Order | undefined>;
  /** Adds an order with its lines; false, and nothing changes, when its id exists. */
  insert(order: Order): Promise<boolean>;
  /** Up to `limit` orders of a user that come after `before`, newest first (by creation time, then id). */
  list(userId: string, before: OrderPosition | undefined, limit: number): Promise<readonly Order[]>;
  /**
   * Notes what is being done with a placed order, and when to look whether it was done; false, and nothing changes,
   * when it is not placed or something else is being done with it. The same again succeeds.
   */
  begin(id: string, intent: Intent, paymentReference: string | undefined, settleAtMs: number): Promise<boolean>;
  /** Ends a placed order; false, and nothing changes, when it is not placed. */
  end(id: string, status: Exclude<OrderStatus, "placed">, nowMs: number): Promise<boolean>;
  /** Up to `limit` placed orders whose `settleAtMs` is `nowMs` or before, those that have waited longest first. */
  findUnsettled(nowMs: number, limit: number): Promise<readonly Order[]>;
  /** Has a placed order looked at again at `untilMs`; nothing changes when it is not placed. */
  postpone(id: string, untilMs: number): Promise<void>;
}

/** A place in a user's list of orders. */
export type OrderPosition = Pick<Order, "createdAtMs" | "id">;

/** What the order service asks of the user service. */
export interface UserDirectory {
  /** Whether the user may place orders; `undefined` when there is no such user. */
  isActive(userId: string): Promise<boolean | undefined>;
}

/** What the order service asks of the inventory. Everything may be repeated. */
export interface StockHolds {
  /** Holds all lines or none for `timeToLiveMs`. Throws the reasons of `CreateOrder` that are about stock. */
  hold(orderId: string, lines: readonly RequestedLine[], timeToLiveMs: number): Promise<Hold>;
  /** Sells what is held, if it still is; answers how the hold has ended. */
  confirm(orderId: string): Promise<HoldEnd>;
  /** Gives back what is held, if it still is; answers how the hold has ended. What was never held counts as released. */
  release(orderId: string): Promise<HoldEnd>;
}

/** Stock that was held, at the prices of that moment. */
export interface Hold {
  /** Whether it still is: an earlier attempt may have made it, and it may have ended since. */
  readonly isHeld: boolean;
  readonly lines: readonly OrderLine[];
  readonly total: Money;
  readonly expiresAtMs: number;
}
