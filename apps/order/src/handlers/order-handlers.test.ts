import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { PlaceOrdersRequestSchema } from "@shoal/contracts/order/v1/order_service";
import type { HandlerContext } from "@shoal/rpc";
import { createLogger } from "@shoal/telemetry";
import type { Order } from "../domain/order.ts";
import type { Orders } from "../domain/orders.ts";
import { FakeChanges } from "./fake-changes.contract.ts";
import { orderHandlers } from "./order-handlers.ts";

const id = "0190a000-0000-7000-8000-00000000000a";
const upper = id.toUpperCase();
const order: Order = {
  id,
  userId: id,
  status: "placed",
  intent: undefined,
  paymentReference: undefined,
  lines: [],
  total: { minorUnits: 0n, currency: "EUR" },
  expiresAtMs: 0,
  settleAtMs: 0,
  createdAtMs: 0,
  updatedAtMs: 0,
};

test("an id in upper case names what it names in lower case", async () => {
  const asked: string[] = [];
  const answer = async (id: string) => {
    asked.push(id);
    return order;
  };
  const list = async (id: string) => [await answer(id), order];
  const orders = { place: answer, get: answer, confirm: answer, cancel: answer, list } as unknown as Orders;
  const changes = new FakeChanges();
  const log = createLogger("order", "fatal");
  const { handlers } = orderHandlers({ orders, changes, log, streamConcurrency: 1 });
  const draining = new AbortController();
  const context = { signal: new AbortController().signal, draining: draining.signal } as HandlerContext;
  const call = (method: string, request: unknown) => handlers[method]?.(request, context);
  const first = async (stream: unknown) => {
    for await (const message of stream as AsyncIterable<{ order?: unknown; result?: { case: string } }>) return message;
    return undefined;
  };

  const request = { userId: upper, idempotencyKey: "k", lines: [{ sku: "A", quantity: 1 }] };
  await call("createOrder", request);
  await call("getOrder", { orderId: upper });
  await call("confirmOrder", { orderId: upper, paymentReference: "p" });
  await call("cancelOrder", { orderId: upper });
  const page = await call("listOrders", { userId: upper, pageSize: 1, pageToken: "" });
  const { nextPageToken } = page as { nextPageToken: string };
  await call("listOrders", { userId: id, pageSize: 1, pageToken: nextPageToken });
  for (const target of ["orderId", "userId"])
    await first(call("watchOrders", { target: { case: target, value: upper }, resumeToken: "" }));
  const placing = (async function* () {
    yield create(PlaceOrdersRequestSchema, { order: request });
  })();
  assert.equal((await first(call("placeOrders", placing)))?.result?.case, "order");
  assert.deepEqual(asked, Array(9).fill(id));
});

test("who watches by an id in upper case is told of changes", async () => {
  const changes = new FakeChanges();
  const orders = {
    get: async () => order,
    getAll: async () => [{ ...order, status: "confirmed" }],
  } as unknown as Orders;
  const { handlers } = orderHandlers({ orders, changes, log: createLogger("order", "fatal"), streamConcurrency: 1 });
  const context = { signal: AbortSignal.timeout(5_000), draining: new AbortController().signal } as HandlerContext;
  const target = { case: "orderId", value: upper };
  let sent = 0;
  const watching = handlers["watchOrders"]?.({ target, resumeToken: "" }, context);
  for await (const _ of watching as AsyncIterable<unknown>) {
    sent += 1;
    if (sent === 2) break;
    changes.publish({ ...order, status: "confirmed" });
  }
  assert.equal(sent, 2);
});
