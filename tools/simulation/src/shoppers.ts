import { ReservationStatus } from "@shoal/contracts/inventory/v1/inventory_service";
import { AppError, derivedId } from "@shoal/kernel";
import { fingerprintOf, type Order, orderIdOf } from "@shoal/order/domain/order";
import type { Draw } from "./draw.ts";
import type { History, ToldOrder } from "./history.ts";
import type { Network } from "./network.ts";
import type { Scheduler } from "./scheduler.ts";
import type { PlaceRequest } from "./services.ts";

/** How often the same is asked before a client gives up. */
const maxAttempts = 12;

/** What clients need. */
export interface ClientParts {
  readonly scheduler: Scheduler;
  readonly draw: Draw;
  readonly network: Network;
  readonly history: History;
}

/** Asks until there is an answer that asking again does not change; `undefined` when the client has given up. */
export async function ask<T>(
  { scheduler, draw, network }: ClientParts,
  name: string,
  [service, method, request]: readonly [service: string, method: string, request: unknown],
): Promise<{ readonly value: T } | { readonly error: AppError } | undefined> {
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    try {
      return { value: (await network.call({ name, life: undefined }, service, method, request)) as T };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (["invalid", "missing", "precondition", "duplicate"].includes(error.kind)) return { error };
      await scheduler.pause(draw.delay(20 * 1.5 ** attempt), `${name}: again`);
    }
  }
  return undefined;
}

/** Places an order until it is answered, and notes the answer; the order, if there is one. */
export async function placeOrder(
  parts: ClientParts,
  name: string,
  request: PlaceRequest,
): Promise<ToldOrder | undefined> {
  const { history, scheduler } = parts;
  const result = await ask<Order>(parts, name, ["order", "place", request]);
  if (result === undefined) return undefined;
  const id = orderIdOf(request.userId, request.key);
  const fingerprint = fingerprintOf(request.lines);
  if ("value" in result) {
    scheduler.note(`${name} was told: order ${id}`);
    // When it is to be settled is the service's own business.
    const { settleAtMs: _, ...order } = result.value;
    history.answered(id, fingerprint, { order });
    return order;
  }
  const { reason, message } = result.error;
  scheduler.note(`${name} was told: ${reason}`);
  if (reason === "IDEMPOTENCY_KEY_REUSED") history.turnedAway(id, fingerprint);
  else history.answered(id, fingerprint, { refusal: { reason, message } });
  return undefined;
}

const endOf: Readonly<Record<string, Exclude<Order["status"], "placed">>> = {
  ORDER_CONFIRMED: "confirmed",
  ORDER_CANCELLED: "cancelled",
  ORDER_EXPIRED: "expired",
};

/** Confirms an order, and notes what becomes of it. */
export async function confirmOrder(parts: ClientParts, name: string, id: string, reference: string): Promise<void> {
  const result = await ask<Order>(parts, name, ["order", "confirm", { id, reference }]);
  if (result === undefined) return;
  if ("value" in result) {
    parts.scheduler.note(`${name} was told: ${id} is confirmed, paid by ${reference}`);
    parts.history.paid(id, reference);
  } else noteEnd(parts, name, id, result.error);
}

/** Cancels an order, and notes what becomes of it. */
export async function cancelOrder(parts: ClientParts, name: string, id: string): Promise<void> {
  const result = await ask<Order>(parts, name, ["order", "cancel", { id }]);
  if (result === undefined) return;
  if ("value" in result) {
    parts.scheduler.note(`${name} was told: ${id} is cancelled`);
    parts.history.ended(id, "cancelled");
  } else noteEnd(parts, name, id, result.error);
}

function noteEnd({ scheduler, history }: ClientParts, name: string, id: string, error: AppError): void {
  scheduler.note(`${name} was told: ${error.reason}`);
  const end = endOf[error.reason];
  if (end !== undefined) history.ended(id, end);
  else history.denied(id, error.reason);
}

/** What a shopper does: buys, is impatient, pays or not, comes back; or uses its key for something else. */
export async function shop(parts: ClientParts, name: string, request: PlaceRequest, patienceMs: number): Promise<void> {
  const { draw, scheduler } = parts;
  const others: Promise<unknown>[] = [];
  if (draw.chance(0.25)) others.push(placeOrder(parts, `${name}, again`, request));
  if (draw.chance(0.15)) others.push(placeOrder(parts, `${name}, changed`, changed(request)));
  const order = await placeOrder(parts, name, request);
  if (order !== undefined) {
    await scheduler.pause(draw.between(0, patienceMs), `${name} has thought`);
    const { id } = order;
    const ways = [
      () => confirmOrder(parts, name, id, `${name}'s card`),
      () => cancelOrder(parts, name, id),
      () => confirmOrder(parts, `${name}'s partner`, id, `${name}'s other card`),
    ];
    const chosen = draw.oneOf([[0], [0], [0], [1], [0, 1], [0, 2], [0, 1, 2], []]);
    await Promise.all(chosen.map((way) => ways[way]?.()));
    if (draw.chance(0.3)) await placeOrder(parts, `${name}, once more`, request);
  }
  await Promise.all(others);
}

function changed({ lines, ...request }: PlaceRequest): PlaceRequest {
  return { ...request, lines: lines.map(({ sku, quantity }) => ({ sku, quantity: quantity + 1 })) };
}

/** Uses the inventory itself: reserves, does not wait for the answer, and gives it back or sells it. */
export async function reserveDirectly(parts: ClientParts, name: string, skus: readonly string[]): Promise<void> {
  const { draw, scheduler, history } = parts;
  const id = derivedId("direct", name);
  history.direct.add(id);
  const lines = [{ sku: draw.oneOf(skus), quantity: 1 }];
  const request = { reservationId: id, lines, timeToLive: { seconds: 2n, nanos: 0 } };
  const reserving = ask(parts, name, ["inventory", "reserveStock", request]);
  await scheduler.pause(draw.between(0, 100), `${name} has waited`);
  const end = draw.oneOf(["confirmed", "released", "released"] as const);
  if (end === "confirmed") await reserving;
  const method = end === "confirmed" ? "confirmReservation" : "releaseReservation";
  const result = await ask<{ readonly reservation: { readonly status: ReservationStatus } }>(parts, name, [
    "inventory",
    method,
    { reservationId: id },
  ]);
  // To release one whose time has passed says that it is expired, and is no error.
  if (result !== undefined && "value" in result && result.value.reservation.status !== ReservationStatus.EXPIRED) {
    scheduler.note(`${name} was told: ${id} is ${end}`);
    history.directlyEnded(id, end);
  }
  await reserving;
}

/** Counts the stock, and corrects it: each correction once, however often it is sent, and not with another figure. */
export async function adjustStock(parts: ClientParts, name: string, skus: readonly string[]): Promise<void> {
  const { draw, history, scheduler } = parts;
  const correct = async (sku: string, delta: number) => {
    const change = { id: name, sku, delta, reason: "counted" };
    const result = await ask(parts, name, ["inventory", "adjust", change]);
    if (result === undefined || "error" in result) return;
    scheduler.note(`${name} was told: ${sku} is corrected by ${delta}`);
    history.adjusted(name, delta);
  };
  const sku = draw.oneOf(skus);
  const delta = draw.oneOf([-2, -1, 1, 2, 3]);
  const corrections = [correct(sku, delta)];
  if (draw.chance(0.3)) corrections.push(correct(sku, delta));
  if (draw.chance(0.2)) corrections.push(correct(draw.oneOf(skus), delta + 5));
  await Promise.all(corrections);
}
