import assert from "node:assert/strict";
import { test } from "node:test";
import { OrderStatus } from "@shoal/contracts/order/v1/order_service";
import type { HandlerContext } from "@shoal/rpc";
import type { Order } from "../domain/order.ts";
import type { Orders } from "../domain/orders.ts";
import { FakeChanges } from "./fake-changes.contract.ts";
import { watchOrders } from "./watch-orders.ts";

function order(id: string, status: Order["status"]): Order {
  return {
    id,
    userId: "ada",
    status,
    intent: undefined,
    paymentReference: undefined,
    lines: [],
    total: { minorUnits: 0n, currency: "EUR" },
    expiresAtMs: 0,
    settleAtMs: 0,
    createdAtMs: 0,
    updatedAtMs: 0,
  };
}

/** What a watcher of ada's orders is sent when `events` happen before the snapshot is read, and then it hangs up. */
async function watch(past: readonly Order[], events: readonly Order[], resumeToken = ""): Promise<readonly string[]> {
  const changes = new FakeChanges();
  const hangUp = new AbortController();
  const list = async () => {
    for (const event of events) changes.publish(event);
    return past;
  };
  const context = { signal: hangUp.signal, draining: new AbortController().signal } as HandlerContext;
  const sent: string[] = [];
  const last = order("last", "placed");
  /** The orders as they are in the end. */
  const latest = new Map([...past, ...events, last].map((order) => [order.id, order]));
  for (const order of past) if (order.status !== "placed") latest.set(order.id, order);
  const getAll = async (ids: readonly string[]) => ids.flatMap((id) => latest.get(id) ?? []);
  const orders = { list, getAll } as unknown as Orders;
  const target = { case: "userId" as const, value: "ada" };
  const watching = watchOrders(orders, changes, { target, resumeToken }, context);
  for await (const { order: message } of watching) {
    if (message?.id === last.id) break;
    sent.push(`${message?.id} ${OrderStatus[message?.status ?? 0]}`);
    if (sent.length === past.length) changes.publish(last);
  }
  return sent;
}

test("an order that has ended is not sent again as placed, nor twice", async () => {
  const past = [order("a", "confirmed"), order("b", "placed"), order("c", "placed")];
  const events = [
    order("a", "placed"),
    order("b", "placed"),
    order("a", "confirmed"),
    order("c", "placed"),
    order("c", "expired"),
  ];
  assert.deepEqual(await watch(past, events), ["a CONFIRMED", "b PLACED", "c PLACED", "c EXPIRED"]);
});

test("an order that is placed while the snapshot is read is sent, and again when it has ended", async () => {
  const events = [order("new", "placed"), order("new", "cancelled")];
  assert.deepEqual(await watch([order("a", "placed")], events), ["a PLACED", "new PLACED", "new CANCELLED"]);
});

test("who has had a part of the orders of now has no token to go on from: it would miss the others", async () => {
  const past = [order("a", "placed"), order("b", "placed"), order("c", "placed")];
  const hangUp = new AbortController();
  const context = { signal: hangUp.signal, draining: new AbortController().signal } as HandlerContext;
  const orders = { list: async () => past } as unknown as Orders;
  const target = { case: "userId" as const, value: "ada" };
  const tokens: boolean[] = [];
  for await (const { resumeToken } of watchOrders(orders, new FakeChanges(), { target, resumeToken: "" }, context)) {
    tokens.push(Boolean(resumeToken));
    if (tokens.length === past.length) break;
  }
  assert.deepEqual(tokens, [false, false, true]);
});
