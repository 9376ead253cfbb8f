import { AppError, derivedId, isAppError, type Money } from "@shoal/kernel";

/** The owner of this service's reasons. */
export const domain = "shoal.order";

/**
 * What a user has ordered, at the prices of the moment it was placed.
 *
 * States: placed → confirmed | cancelled | expired. An order ends once, and as its hold at the inventory has ended.
 */
export interface Order {
  readonly id: string;
  readonly userId: string;
  readonly status: OrderStatus;
  /**
   * What somebody has begun to do with a placed order. Written before the inventory is asked, so that a crash between
   * the two leaves a note of what is to be finished.
   */
  readonly intent: Intent | undefined;
  /** Of the confirmation that was begun. It has paid for the order if the order is confirmed, and else is to be looked into. */
  readonly paymentReference: string | undefined;
  readonly lines: readonly OrderLine[];
  readonly total: Money;
  /** Until when the stock is held, by the inventory's clock. */
  readonly expiresAtMs: number;
  /** When the settling job is to look at it, if it is placed still; by this service's clock. */
  readonly settleAtMs: number;
  readonly createdAtMs: number;
  /** When its status last changed. */
  readonly updatedAtMs: number;
}

/** Where in its life an order is. */
export type OrderStatus = "placed" | "confirmed" | "cancelled" | "expired";

/** What is being done with a placed order. */
export type Intent = "confirm" | "cancel";

/** One SKU of an order. */
export interface OrderLine {
  readonly sku: string;
  readonly quantity: number;
  /** The price of one piece. */
  readonly unitPrice: Money;
}

/** What is asked for: each SKU once. */
export interface RequestedLine {
  readonly sku: string;
  readonly quantity: number;
}

/** How a hold at the inventory has ended. */
export type HoldEnd = "confirmed" | "released" | "expired";

/** The id of the order that a user places under an idempotency key: the same for every attempt. */
export function orderIdOf(userId: string, idempotencyKey: string): string {
  return derivedId("shoal.order", userId, idempotencyKey);
}

/** Whether an order is the answer to a request for `lines`. */
export function isFor(order: Order, lines: readonly RequestedLine[]): boolean {
  return (
    order.lines.length === lines.length &&
    order.lines.every(({ sku, quantity }, i) => sku === lines[i]?.sku && quantity === lines[i]?.quantity)
  );
}

/** Stands for what is asked for: equal lines, equal fingerprints. */
export function fingerprintOf(lines: readonly RequestedLine[]): string {
  return derivedId("shoal.order.lines", ...lines.flatMap(({ sku, quantity }) => [sku, String(quantity)]));
}

/** An order as it was when it was placed, whatever has become of it. */
export function asPlaced(order: Order): Order {
  return { ...order, status: "placed", intent: undefined, paymentReference: undefined, updatedAtMs: order.createdAtMs };
}

/** Whether a request that failed so would always fail so: it is to be answered so again. */
export function isFinal(error: unknown): error is AppError {
  return isAppError(error) && error.domain === domain && ["invalid", "missing", "precondition"].includes(error.kind);
}

/** What an order has become once its hold has ended. A release that nobody asked for is an expiry. */
export function statusAfter(intent: Intent | undefined, holdEnd: HoldEnd): Exclude<OrderStatus, "placed"> {
  if (holdEnd !== "released") return holdEnd;
  return intent === "cancel" ? "cancelled" : "expired";
}

const resource = (id: string) => ({ type: "shoal.order.Order", name: id });

/** NOT_FOUND: no order has this id. */
export function orderNotFound(id: string): AppError {
  return new AppError({
    kind: "missing",
    reason: "ORDER_NOT_FOUND",
    domain,
    message: `there is no order ${id}`,
    resource: resource(id),
  });
}

/** ALREADY_EXISTS: the idempotency key stands for an order of other lines. */
export function idempotencyKeyReused(orderId: string, cause?: unknown): AppError {
  return new AppError({
    kind: "duplicate",
    reason: "IDEMPOTENCY_KEY_REUSED",
    domain,
    message: "this idempotency key was used for an order of other lines; use a new key for a new order",
    resource: resource(orderId),
    cause,
  });
}

/** NOT_FOUND: no user has this id. */
export function userNotFound(id: string): AppError {
  return new AppError({
    kind: "missing",
    reason: "USER_NOT_FOUND",
    domain,
    message: `there is no user ${id}`,
    resource: { type: "shoal.user.User", name: id },
  });
}

/** FAILED_PRECONDITION: the user may not place orders. */
export function userInactive(id: string): AppError {
  return new AppError({
    kind: "precondition",
    reason: "USER_INACTIVE",
    domain,
    message: `user ${id} is inactive and may not place orders`,
    preconditions: [{ subject: id, description: "the user is inactive" }],
  });
}

/** FAILED_PRECONDITION: an earlier attempt with this key held the stock, and the hold ended before there was an order. */
export function holdEnded(orderId: string): AppError {
  return new AppError({
    kind: "precondition",
    reason: "HOLD_ENDED",
    domain,
    message: "an earlier attempt with this idempotency key came too late to become an order; use a new key",
    preconditions: [{ subject: orderId, description: "the hold of its stock has ended" }],
  });
}

const endings = { confirmed: "ORDER_CONFIRMED", cancelled: "ORDER_CANCELLED", expired: "ORDER_EXPIRED" } as const;

/** FAILED_PRECONDITION: the order has ended in another way than was asked for. */
export function orderEnded({ id, status }: Order): AppError {
  if (status === "placed") throw new TypeError(`order ${id} has not ended`);
  return new AppError({
    kind: "precondition",
    reason: endings[status],
    domain,
    message: `order ${id} cannot be changed: it is ${status}`,
    preconditions: [{ subject: id, description: `the order is ${status}` }],
  });
}

/** ABORTED: somebody else is changing the order at this moment. */
export function orderBusy(id: string): AppError {
  return new AppError({
    kind: "stale",
    reason: "ORDER_BUSY",
    domain,
    message: `another change of order ${id} is under way; read it again and decide anew`,
  });
}
