import assert from "node:assert/strict";
import { test } from "node:test";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver, until } from "@shoal/testkit";
import { newPlace, startStack } from "./stack.ts";

const kinds = ["", "internal", "server", "client", "producer", "consumer"];

/** A span and those below it, in the order in which they began, each indented by how far it is down. */
function outline(spans: readonly ReceivedSpan[], { spanId, service, kind, name }: ReceivedSpan): readonly string[] {
  const below = spans.filter(({ parentSpanId }) => parentSpanId === spanId).sort((a, b) => a.startMs - b.startMs);
  const lines = below.flatMap((span) => outline(spans, span));
  return [`${service} ${kinds[kind]} ${name}`, ...lines.map((line) => `  ${line}`)];
}

const createOrder = "shoal.order.v1.OrderService/CreateOrder";

/** The traces of all orders that were received so far: each the span of its call, and all spans of the same trace. */
function orderTraces({ spans }: OtlpReceiver) {
  const roots = spans.filter(({ name }) => name === createOrder);
  return roots.map((root) => ({ root, spans: spans.filter(({ traceId }) => traceId === root.traceId) }));
}

test("an order is one trace, through the services that it needs and down to each statement", async (t) => {
  const collector = await startOtlpReceiver(t);
  const { clients, stop } = await startStack(t, await newPlace(t), { env: collector.environment });
  const { user } = await clients.user.createUser({ email: "ada@example.com", displayName: "Ada" });
  const price = { minorUnits: 450n, currency: "EUR" };
  await clients.inventory.createProduct({ sku: "TEA", name: "Tea", price, initialQuantity: 100 });
  const order = (idempotencyKey: string) =>
    clients.order.createOrder({ userId: user?.id ?? "", idempotencyKey, lines: [{ sku: "TEA", quantity: 1 }] });
  await order("first");
  await until("the order's span", () => orderTraces(collector).length === 1);
  await Promise.all(Array.from({ length: 20 }, (_, n) => order(`together-${n}`)));
  // What has not been sent is sent then.
  await stop();

  const [alone, ...together] = orderTraces(collector);
  assert.ok(alone !== undefined);
  assert.deepEqual(outline(alone.spans, alone.root), [
    `order server ${createOrder}`,
    "  order internal look up users",
    "    order client shoal.user.v1.UserService/BatchGetUsers",
    "      user server shoal.user.v1.UserService/BatchGetUsers",
    "        user client SELECT users",
    "  order internal hold stock",
    "    order client shoal.inventory.v1.InventoryService/BatchReserveStock",
    "      inventory server shoal.inventory.v1.InventoryService/BatchReserveStock",
    "        inventory internal reserve stock",
    "          inventory client BEGIN",
    "          inventory client SELECT products",
    "          inventory client SELECT reservations",
    "          inventory client INSERT reservations",
    "          inventory client INSERT reservation_lines",
    "          inventory client UPDATE products",
    "          inventory client INSERT outbox",
    "          inventory client COMMIT",
    "  order internal keep first answers",
    "    order client BEGIN",
    "    order client INSERT idempotency_records",
    "    order client INSERT orders",
    "    order client INSERT order_lines",
    "    order client INSERT outbox",
    "    order client COMMIT",
  ]);
  assert.equal(alone.root.attributes["rpc.system.name"], "grpc");
  assert.equal(alone.root.attributes["rpc.status_code"], "OK");

  assert.equal(together.length, 20);
  for (const { root, spans } of together) {
    const own = outline(spans, root).some((line) => line.includes("hold stock"));
    // Where its stock was held in another's batch, there is the way to that batch.
    const batches = root.links.map(({ spanId }) => collector.spans.find((span) => span.spanId === spanId)?.name);
    assert.ok(own || batches.includes("hold stock"), `${own} ${batches}`);
  }
  assert.ok(together.some(({ root }) => root.links.length > 0));

  for (const metric of ["rpc.server.call.duration", "db.client.operation.duration", "nodejs.eventloop.delay.p99"])
    assert.deepEqual([...(collector.metrics.get(metric) ?? [])].sort(), ["inventory", "order", "user"]);
});

test("who watches orders is linked with where they were placed", async (t) => {
  const collector = await startOtlpReceiver(t);
  const { clients, stop } = await startStack(t, await newPlace(t), { env: collector.environment });
  const { user } = await clients.user.createUser({ email: "ada@example.com", displayName: "Ada" });
  const userId = user?.id ?? "";
  const price = { minorUnits: 450n, currency: "EUR" };
  await clients.inventory.createProduct({ sku: "TEA", name: "Tea", price, initialQuantity: 10 });
  const lines = [{ sku: "TEA", quantity: 1 }];
  const { order } = await clients.order.createOrder({ userId, idempotencyKey: "first", lines });
  const watch = clients.order.watchOrders({ target: { case: "userId", value: userId } });
  await watch.next();
  await clients.order.confirmOrder({ orderId: order?.id ?? "", paymentReference: "p" });
  await watch.next();
  await watch.return();
  await stop();
  const confirmed = collector.spans.find(({ name }) => name === "shoal.order.v1.OrderService/ConfirmOrder");
  const processed = collector.spans.filter(({ name }) => name === "process order");
  const watched = collector.spans.find(({ name }) => name === "shoal.order.v1.OrderService/WatchOrders");
  assert.ok(confirmed !== undefined && watched !== undefined);
  assert.ok(processed.some(({ links }) => links.some(({ traceId }) => traceId === confirmed.traceId)));
  assert.ok(processed.every(({ kind, parentSpanId }) => kinds[kind] === "consumer" && parentSpanId === watched.spanId));
});
