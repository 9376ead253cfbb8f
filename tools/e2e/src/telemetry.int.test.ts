import assert from "node:assert/strict";
import { test } from "node:test";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver, until } from "@shoal/testkit";
import type { Clients } from "./bad-call.ts";
import { startGateway } from "./gateway.ts";
import { newPlace, startStack } from "./stack.ts";

const kinds = ["", "internal", "server", "client", "producer", "consumer"];

/** A span and those below it, in the order in which they began, each indented by how far it is down. */
function outline(spans: readonly ReceivedSpan[], { spanId, service, kind, name }: ReceivedSpan): readonly string[] {
  const below = spans.filter(({ parentSpanId }) => parentSpanId === spanId).sort((a, b) => a.startMs - b.startMs);
  const lines = below.flatMap((span) => outline(spans, span));
  return [`${service} ${kinds[kind]} ${name}`, ...lines.map((line) => `  ${line}`)];
}

const createOrder = "shoal.order.v1.OrderService/CreateOrder";

/** The traces of all orders that were received so far: each the span that it began with, and all spans of the same trace. */
function orderTraces({ spans }: OtlpReceiver) {
  const roots = spans.filter(({ name, parentSpanId }) => name === createOrder && parentSpanId === "");
  return roots.map((root) => ({ root, spans: spans.filter(({ traceId }) => traceId === root.traceId) }));
}

test("an order is one trace, from the gateway through the services that it needs and down to each statement", async (t) => {
  const collector = await startOtlpReceiver(t);
  const { launched, clients, stop } = await startStack(t, await newPlace(t), { env: collector.environment });
  const gateway = await startGateway(t, launched, collector.environment);
  const { user } = await clients.user.createUser({ email: "ada@example.com", displayName: "Ada" });
  const price = { minorUnits: 450n, currency: "EUR" };
  await clients.inventory.createProduct({ sku: "TEA", name: "Tea", price, initialQuantity: 100 });
  const order = (idempotencyKey: string, by: Clients) =>
    by.order.createOrder({ userId: user?.id ?? "", idempotencyKey, lines: [{ sku: "TEA", quantity: 1 }] });
  await order("first", gateway.clients);
  await until("the order's span", () => orderTraces(collector).length === 1);
  const gatewayMetrics = await gateway.metrics();
  await Promise.all(Array.from({ length: 20 }, (_, n) => order(`together-${n}`, clients)));
  // What has not been sent is sent then.
  assert.equal(await gateway.stop(), 0);
  await stop();

  const [alone, ...together] = orderTraces(collector);
  assert.ok(alone !== undefined);
  assert.deepEqual(outline(alone.spans, alone.root), [
    `gateway server ${createOrder}`,
    `  gateway client ${createOrder}`,
    `    order server ${createOrder}`,
    "      order internal look up users",
    "        order client shoal.user.v1.UserService/BatchGetUsers",
    "          user server shoal.user.v1.UserService/BatchGetUsers",
    "            user client SELECT users",
    "      order internal hold stock",
    "        order client shoal.inventory.v1.InventoryService/BatchReserveStock",
    "          inventory server shoal.inventory.v1.InventoryService/BatchReserveStock",
    "            inventory internal reserve stock",
    "              inventory client BEGIN",
    "              inventory client SELECT products",
    "              inventory client SELECT reservations",
    "              inventory client INSERT reservations",
    "              inventory client INSERT reservation_lines",
    "              inventory client UPDATE products",
    "              inventory client INSERT outbox",
    "              inventory client COMMIT",
    "      order internal keep first answers",
    "        order client BEGIN",
    "        order client INSERT idempotency_records",
    "        order client INSERT orders",
    "        order client INSERT order_lines",
    "        order client INSERT outbox",
    "        order client COMMIT",
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

  const all = ["gateway", "inventory", "order", "user"];
  const sendersOf = (metric: string) =>
    [...(collector.metrics.get(metric) ?? [])].filter((service) => all.includes(service)).sort();
  assert.deepEqual(sendersOf("rpc.server.call.duration"), all);
  assert.deepEqual(sendersOf("nodejs.eventloop.delay.p99"), all);
  assert.deepEqual(sendersOf("rpc.client.call.duration"), ["gateway", "order"]);
  assert.deepEqual(sendersOf("db.client.operation.duration"), ["inventory", "order", "user"]);
  for (const side of ["server", "client"])
    assert.match(gatewayMetrics, new RegExp(`^rpc_${side}_call_duration_seconds_count{.*"${createOrder}".*} 1$`, "m"));

  // The log of every service tells of the order with the same trace, each where its own span is.
  const lines = collector.logs.filter(({ body, traceId }) => body === "call" && traceId === alone.root.traceId);
  assert.deepEqual(lines.map(({ service }) => service).sort(), all);
  for (const { service, spanId, sampled, resource, severityText, attributes } of lines) {
    const span: ReceivedSpan | undefined = alone.spans.find((one) => one.spanId === spanId);
    assert.deepEqual([span?.service, kinds[span?.kind ?? 0], span?.resource], [service, "server", resource]);
    assert.deepEqual([severityText, attributes["code"], sampled], ["info", "OK", true]);
  }
});

test("who watches orders is linked with where they were placed, through the gateway too", async (t) => {
  const collector = await startOtlpReceiver(t);
  const { launched, stop } = await startStack(t, await newPlace(t), { env: collector.environment });
  const gateway = await startGateway(t, launched, collector.environment);
  const { clients } = gateway;
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
  assert.equal(await gateway.stop(), 0);
  await stop();
  const spanOf = (of: string, method: string) =>
    collector.spans.find(({ service, name }) => service === of && name === `shoal.order.v1.OrderService/${method}`);
  const confirmed = spanOf("gateway", "ConfirmOrder");
  const watched = spanOf("gateway", "WatchOrders");
  const watching = spanOf("order", "WatchOrders");
  assert.ok(confirmed !== undefined && watched !== undefined && watching?.traceId === watched.traceId);
  const processed = collector.spans.filter(({ name }) => name === "process order");
  assert.ok(processed.some(({ links }) => links.some(({ traceId }) => traceId === confirmed.traceId)));
  for (const { kind, parentSpanId } of processed)
    assert.deepEqual([kinds[kind], parentSpanId], ["consumer", watching.spanId]);
});

/** The values of one metric at a service's admin port, by their labels; its sums only, where it is a histogram. */
async function valuesOf(adminAddress: string, metric: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`http://${adminAddress}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `));
  return new Map(
    lines.map((line) => {
      const [, labels = "", value] = /^[^ {]+(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
      return [labels.replace(/(?:,?otel_scope_name="[^"]*"|rpc_system_name="grpc",?)/g, ""), Number(value)];
    }),
  );
}

test("an order is counted by every service that has a part in it, and so is what becomes of it", async (t) => {
  const { launched, clients } = await startStack(t, await newPlace(t));
  const { user } = await clients.user.createUser({ email: "ada@example.com", displayName: "Ada" });
  const price = { minorUnits: 450n, currency: "EUR" };
  await clients.inventory.createProduct({ sku: "TEA", name: "Tea", price, initialQuantity: 3 });
  const place = (idempotencyKey: string, quantity: number) =>
    clients.order.createOrder({ userId: user?.id ?? "", idempotencyKey, lines: [{ sku: "TEA", quantity }] });
  const { order: sold } = await place("sold", 1);
  const { order: given } = await place("given-back", 1);
  await place("kept", 1);
  await assert.rejects(place("too-many", 1), { reason: "INSUFFICIENT_STOCK" });
  await clients.order.confirmOrder({ orderId: sold?.id ?? "", paymentReference: "p" });
  await clients.order.cancelOrder({ orderId: given?.id ?? "" });

  const at = (service: string) => launched.service(service).adminAddress;
  const ordersOf = async (metric: string) => Object.fromEntries(await valuesOf(at("order"), metric));
  const stockOf = async (metric: string) => Object.fromEntries(await valuesOf(at("inventory"), metric));
  assert.deepEqual(await ordersOf("shoal_orders_total"), {
    'outcome="placed"': 3,
    'outcome="refused",reason="INSUFFICIENT_STOCK"': 1,
    'outcome="confirmed"': 1,
    'outcome="cancelled"': 1,
  });
  assert.deepEqual(await stockOf("shoal_inventory_holds_total"), {
    'outcome="held"': 3,
    'outcome="confirmed"': 1,
    'outcome="released"': 1,
  });
  await until("the open hold is counted", async () => {
    const holds = await stockOf("shoal_inventory_open_holds");
    return holds['overdue="false"'] === 1 && holds['overdue="true"'] === 0;
  });
  const served = await ordersOf("rpc_server_call_duration_seconds_count");
  assert.equal(served[`rpc_method="${createOrder}",rpc_status_code="OK"`], 3);
  assert.equal((await ordersOf("shoal_batch_size_count"))['shoal_batch_name="hold stock"'], 4);
  assert.equal((await ordersOf("shoal_batch_wait_time_seconds_count"))['shoal_batch_name="hold stock"'], 4);
  assert.equal((await ordersOf("shoal_discovery_instances"))['shoal_discovery_service="inventory"'], 1);
  const target = 'grpc_target="shoal:///inventory"';
  assert.equal((await ordersOf("shoal_rpc_client_endpoints"))[`${target},state="ready"`], 1);
  const reserve = 'rpc_method="shoal.inventory.v1.InventoryService/BatchReserveStock"';
  assert.equal((await ordersOf("shoal_rpc_client_breakers"))[`${target},${reserve},state="closed"`], 1);
  assert.ok(((await ordersOf("shoal_shedder_limit"))[""] ?? 0) > 0);
  assert.ok(((await ordersOf("shoal_rpc_server_connections"))[""] ?? 0) > 0);
  // The relay publishes them after the orders were answered.
  await until("the events are published", async () => (await ordersOf("shoal_outbox_published_total"))[""] === 5);
});
