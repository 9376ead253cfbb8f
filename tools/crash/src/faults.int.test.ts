import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService, OrderStatus } from "@shoal/contracts/order/v1/order_service";
import { newId } from "@shoal/kernel";
import { createClient, createServer, implement, type ServiceHandlers } from "@shoal/rpc";
import { until } from "@shoal/testkit";
import { Asker } from "./asker.ts";
import { beginWatches } from "./watches.ts";

const orderId = newId();

/** An error that nobody has expected, as it comes about in a handler. */
function stumble(): never {
  throw new TypeError("undefined is not a function");
}

test("an unexpected error in a service is noted as its fault, though the call is made again", async (t) => {
  let calls = 0;
  const orders = await startOrders(t, {
    ...stumbling,
    getOrder: async () => {
      calls += 1;
      return calls === 1 ? stumble() : { order: { id: orderId } };
    },
  });
  const asker = new Asker(t.signal);
  const answer = await asker.untilAnswered(() => orders.getOrder({ orderId }));
  assert.equal("value" in answer && answer.value.order?.id, orderId);
  assert.equal(asker.faults.length, 1, String(asker.faults));
  assert.match(asker.faults[0] ?? "", /INTERNAL/);
});

test("a service that is away is at no fault", async (t) => {
  let calls = 0;
  const nowhere = createClient(OrderService, { address: "127.0.0.1:1" });
  t.after(() => nowhere[Symbol.dispose]());
  const asker = new Asker(t.signal);
  await asker.untilAnswered(async () => {
    calls += 1;
    if (calls === 1) await nowhere.getOrder({ orderId });
  });
  assert.deepEqual([calls, asker.faults], [2, []]);
});

test("a watch that an unexpected error ends is noted, and goes on", async (t) => {
  let watches = 0;
  const orders = await startOrders(t, {
    ...stumbling,
    watchOrders: async function* (_request, { signal }) {
      watches += 1;
      if (watches === 1) stumble();
      yield { order: { id: orderId, status: OrderStatus.PLACED }, resumeToken: "1" };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  const inventories = [createClient(InventoryService, { address: "127.0.0.1:1" })];
  const seen = beginWatches({ orders: [orders], inventories }, [newId()], []);
  t.after(async () => {
    await seen.close();
    for (const client of inventories) client[Symbol.dispose]();
  });
  await until("the watch goes on", () => seen.orders.has(orderId));
  assert.equal(seen.problems.length, 1, String(seen.problems));
  assert.match(seen.problems[0] ?? "", /INTERNAL/);
});

const stumbling = Object.fromEntries(
  OrderService.methods.map(({ localName }) => [localName, stumble]),
) as unknown as ServiceHandlers<typeof OrderService>;

async function startOrders(t: TestContext, handlers: ServiceHandlers<typeof OrderService>) {
  const server = createServer({ services: [implement(OrderService, handlers)], errorDomain: "shoal.order" });
  const port = await server.listen({ host: "127.0.0.1", port: 0 });
  const client = createClient(OrderService, { address: `127.0.0.1:${port}` });
  t.after(async () => {
    client[Symbol.dispose]();
    await server.drain(0);
  });
  return client;
}
