import { setTimeout as sleep } from "node:timers/promises";
import { type Order, OrderStatus } from "@shoal/contracts/order/v1/order_service";
import { type AppError, randomFrom } from "@shoal/kernel";
import type { Asker } from "./asker.ts";
import type { End, Ledger, Wish } from "./ledger.ts";
import type { Stage } from "./stage.ts";

/** What the load is made of. */
export interface ShopOptions {
  readonly stage: Pick<Stage, "orders" | "inventories" | "users">;
  readonly ledger: Ledger;
  readonly asker: Asker;
  readonly seed: number;
  /** Who orders. */
  readonly userIds: readonly string[];
  /** No new wish once it aborts; those that there are get their answer. */
  readonly signal: AbortSignal;
}

/** Who orders at the same time. */
const shoppers = 12;

/** The pause of each between two orders at the longest, in milliseconds. */
const shopperPauseMs = 250;

const hot = "HOT";
const others = Array.from({ length: 8 }, (_, number) => `OTHER-${number + 1}`);

/** The products, and how many pieces of each there are at first: so few that some wishes are refused. */
export const products: ReadonlyMap<string, number> = new Map([[hot, 40], ...others.map((sku) => [sku, 10] as const)]);

/** How often pieces are added, in milliseconds, and how many: fewer than are wanted. */
const restockPauseMs = 200;
const restocked = 2;

/** How often a user is created, in milliseconds. */
const registerPauseMs = 100;

/**
 * Places orders, one hot product in most of them, confirms some, cancels some, lets some expire; adds pieces; creates users.
 * Repeats each call until it is answered for good, and notes the answers. Resolves when `signal` has aborted and the last
 * answer is there.
 */
export async function runShop(options: ShopOptions): Promise<void> {
  const shopping = Array.from({ length: shoppers }, (_, number) => shop(options, number));
  await Promise.all([...shopping, restock(options), register(options)]);
}

/** One shopper, whose wishes the seed decides. */
async function shop(options: ShopOptions, shopper: number): Promise<void> {
  const { signal, userIds, seed, ledger } = options;
  const random = randomFrom(seed + shopper);
  const userId = userIds[shopper % userIds.length] ?? "";
  for (let number = 0; !signal.aborted; number += 1) {
    const wish = { userId, idempotencyKey: `${shopper}-${number}`, lines: linesOf(random) };
    ledger.asks(wish);
    const first = shopper + number;
    // A user who presses the button twice, and is at two instances at once.
    const order = random() < 0.3 ? await placeTwice(options, wish, first) : await place(options, wish, first);
    if (order !== undefined) await decide(options, order, random);
    if (random() < 0.1) await place(options, wish, first + 1);
    await pause(random() * shopperPauseMs, signal);
  }
}

function linesOf(random: () => number): Wish["lines"] {
  const skus = others.filter(() => random() < 0.15);
  if (skus.length === 0 || random() < 0.7) skus.push(hot);
  return skus.map((sku) => ({ sku, quantity: 1 + Math.floor(random() * 2) }));
}

async function place({ stage, ledger, asker }: ShopOptions, wish: Wish, first: number): Promise<Order | undefined> {
  const { userId, idempotencyKey, lines } = wish;
  const request = { userId, idempotencyKey, lines: [...lines] };
  const answer = await asker.untilAnswered((attempt) => instance(stage.orders, first + attempt).createOrder(request));
  if ("refusal" in answer) {
    if (["INSUFFICIENT_STOCK", "HOLD_ENDED"].includes(answer.refusal.reason)) ledger.refused(wish, answer.refusal);
    else ledger.problem(`${idempotencyKey} was refused with ${answer.refusal.reason}: ${answer.refusal.message}`);
    return undefined;
  }
  ledger.placed(wish, answer.value.order);
  return answer.value.order;
}

async function placeTwice(options: ShopOptions, wish: Wish, first: number): Promise<Order | undefined> {
  const [one] = await Promise.all([place(options, wish, first), place(options, wish, first + 1)]);
  return one;
}

/** Confirms the order, cancels it, both at once, or leaves it; at once, or late in its time. */
async function decide(options: ShopOptions, { id, expireTime }: Order, random: () => number): Promise<void> {
  const fate = random();
  if (random() < 0.05)
    await pause(Number(expireTime?.seconds ?? 0n) * 1_000 - Date.now() + random() * 1_000, options.signal);
  if (fate < 0.4) await end(options, id, "confirm");
  else if (fate < 0.6) await end(options, id, "cancel");
  else if (fate < 0.65) await Promise.all([end(options, id, "confirm"), end(options, id, "cancel")]);
}

async function end({ stage, ledger, asker }: ShopOptions, orderId: string, how: "confirm" | "cancel"): Promise<void> {
  const first = orderId.charCodeAt(0);
  const answer = await asker.untilAnswered(async (attempt) => {
    const client = instance(stage.orders, first + attempt);
    if (how === "cancel") return await client.cancelOrder({ orderId });
    return await client.confirmOrder({ orderId, paymentReference: paymentOf(orderId) });
  });
  const ended = "refusal" in answer ? endIn(answer.refusal) : endOf(answer.value.order);
  if (ended !== undefined) ledger.ended(orderId, ended);
  else
    ledger.problem(
      `to ${how} order ${orderId} was answered with ${"refusal" in answer ? answer.refusal.reason : "no end"}`,
    );
}

/** What an order is paid with. */
export function paymentOf(orderId: string): string {
  return `payment-${orderId}`;
}

const endsByReason = new Map<string, End>([
  ["ORDER_CONFIRMED", "confirmed"],
  ["ORDER_CANCELLED", "cancelled"],
  ["ORDER_EXPIRED", "expired"],
]);

function endIn({ reason }: AppError): End | undefined {
  return endsByReason.get(reason);
}

function endOf(order: Order | undefined): End | undefined {
  return endsByReason.get(`ORDER_${OrderStatus[order?.status ?? 0]}`);
}

/** Adds pieces of one product after the other. */
async function restock({ stage, ledger, asker, signal }: ShopOptions): Promise<void> {
  const skus = [hot, ...others];
  for (let number = 0; !signal.aborted; number += 1) {
    // Every other time of what everybody wants.
    const sku = number % 2 === 0 ? hot : (skus[(number >> 1) % skus.length] ?? hot);
    const request = { adjustmentId: `restock-${number}`, sku, delta: restocked, reason: "more" };
    const answer = await asker.untilAnswered((attempt) => instance(stage.inventories, attempt).adjustStock(request));
    if ("value" in answer) ledger.adjusted(sku, restocked);
    else ledger.problem(`${request.adjustmentId} was refused with ${answer.refusal.reason}`);
    await pause(restockPauseMs, signal);
  }
}

/** Creates users that order nothing. */
async function register({ stage, ledger, asker, signal }: ShopOptions): Promise<void> {
  for (let number = 0; !signal.aborted; number += 1) {
    const request = { email: `visitor-${number}@example.com`, displayName: "Visitor" };
    let attempts = 0;
    const answer = await asker.untilAnswered((attempt) => {
      attempts = attempt + 1;
      return instance(stage.users, attempt).createUser(request);
    });
    if ("value" in answer) ledger.created(answer.value.user?.id ?? "");
    // An attempt that was not answered may have created it.
    else if (answer.refusal.reason !== "EMAIL_TAKEN" || attempts === 1)
      ledger.problem(`${request.email} was refused with ${answer.refusal.reason}`);
    await pause(registerPauseMs, signal);
  }
}

function instance<C>(clients: readonly C[], number: number): C {
  return clients[number % clients.length] as C;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, ms), undefined, { signal }).catch(() => {});
}
