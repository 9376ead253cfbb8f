import type { AppError, Money } from "@shoal/kernel";
import type { HoldEnd, Intent, Order, OrderLine, OrderStatus, RequestedLine } from "./order.ts";

/** Where orders are kept. */
export interface OrderStore {
  find(id: string): Promise<Order | undefined>;
  /** The orders that exist of `ids`, in no order. */
  findAll(ids: readonly string[]): Promise<readonly Order[]>;
  /** How the request of that order id was answered first. */
  findFirst(id: string): Promise<FirstAnswer | undefined>;
  /** Adds an order with its lines, and publishes it; false, and nothing changes, when its request has been answered. */
  insert(order: Order): Promise<boolean>;
  /** Keeps why a request was refused for at least a day; false, and nothing changes, when it has been answered. */
  refuse(refusal: Refusal): Promise<boolean>;
  /** Forgets up to `limit` answers that were given before `beforeMs`, orders excepted; answers how many. */
  forgetAnswers(beforeMs: number, limit: number): Promise<number>;
  /** Up to `limit` orders of a user that come after `before`, newest first (by creation time, then id). */
  list(userId: string, before: OrderPosition | undefined, limit: number): Promise<readonly Order[]>;
  /**
   * Notes what is being done with a placed order, and when to look whether it was done; false, and nothing changes,
   * when it is not placed or something else is being done with it. The same again succeeds.
   */
  begin(id: string, intent: Intent, paymentReference: string | undefined, settleAtMs: number): Promise<boolean>;
  /** Ends a placed order, and publishes that; false, and nothing changes, when it is not placed. */
  end(id: string, status: Exclude<OrderStatus, "placed">, nowMs: number): Promise<boolean>;
  /** Up to `limit` placed orders whose `settleAtMs` is `nowMs` or before, those that have waited longest first. */
  findUnsettled(nowMs: number, limit: number): Promise<readonly Order[]>;
  /** Has a placed order looked at again at `untilMs`; nothing changes when it is not placed. */
  postpone(id: string, untilMs: number): Promise<void>;
}

/** How a request to place an order was answered, the first time. */
export type FirstAnswer = { readonly order: Order } | { readonly refusal: Refusal };

/** Why a request was refused for good. */
export interface Refusal {
  /** The id that the order would have had. */
  readonly id: string;
  /** Stands for the lines that were asked for. */
  readonly fingerprint: string;
  readonly error: AppError;
  readonly atMs: number;
}

/** That an order was placed, or has ended. */
export interface OrderChange {
  /** Among all changes. */
  readonly place: bigint;
  readonly id: string;
  readonly userId: string;
  readonly status: OrderStatus;
}

/** All changes of orders, whichever instance makes them; those of one order as they happened. */
export interface OrderChanges {
  /** The place of the last change that is known. */
  position(): Promise<bigint>;
  /** The changes after a place, in groups as they come, until `signal` aborts. Fails where some are not kept any more. */
  read(after: bigint, signal: AbortSignal): AsyncIterable<readonly OrderChange[]>;
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
