import assert from "node:assert/strict";
import { test } from "node:test";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService, OrderStatus } from "@shoal/contracts/order/v1/order_service";
import { isAppError } from "@shoal/kernel";
import { createClient } from "@shoal/rpc";
import { storageEngines, until } from "@shoal/testkit";
import { newPlace, startStack } from "./stack.ts";

for (const engine of storageEngines)
  test(
    `${engine.name}: a watch sees what any instance does, and who comes again has what was missed, wherever`,
    engine.options,
    async (t) => {
      const { launched, clients } = await startStack(t, await newPlace(t, engine), {
        scale: new Map([
          ["order", 2],
          ["inventory", 2],
        ]),
      });
      const orders = (name: string) => {
        const client = createClient(OrderService, { address: launched.service(name).grpcAddress });
        t.after(() => client[Symbol.dispose]());
        return client;
      };
      const stock = createClient(InventoryService, { address: launched.service("inventory-2").grpcAddress });
      t.after(() => stock[Symbol.dispose]());
      const [one, other] = [orders("order"), orders("order-2")];

      const { user } = await clients.user.createUser({ email: "ada@example.com", displayName: "Ada" });
      const userId = user?.id ?? "";
      const price = { minorUnits: 450n, currency: "EUR" };
      await clients.inventory.createProduct({ sku: "TEA", name: "Tea", price, initialQuantity: 10 });
      const place = async (client: typeof one, idempotencyKey: string) =>
        (await client.createOrder({ userId, idempotencyKey, lines: [{ sku: "TEA", quantity: 1 }] })).order?.id ?? "";

      const watchOrders = watcher(
        (resumeToken, signal) =>
          one.watchOrders({ target: { case: "userId", value: userId }, resumeToken }, { signal }),
        ({ order }) => `${order?.id} ${OrderStatus[order?.status ?? 0]}`,
      );
      const watchStock = watcher(
        (resumeToken, signal) => clients.inventory.watchStock({ skus: ["TEA"], resumeToken }, { signal }),
        ({ stock }) => `${stock?.available} ${stock?.held} ${stock?.sold}`,
      );
      const first = await place(one, "first");
      const levels = watchStock.begin("");
      await until("the level of now", () => levels.seen.length > 0);
      const seen = watchOrders.begin("");
      await until("the order of now", () => seen.seen.length === 1);
      const second = await place(other, "second");
      await other.confirmOrder({ orderId: first, paymentReference: "p" });
      await until("what the other instance has done", () => seen.seen.length === 3);
      assert.deepEqual(seen.seen, [`${first} PLACED`, `${second} PLACED`, `${first} CONFIRMED`]);
      await until("the level after that", () => levels.seen.at(-1) === "8 1 1");

      await Promise.all([seen.leave(), levels.leave()]);
      await other.cancelOrder({ orderId: second });
      const third = await place(one, "third");
      const resumed = watcher(
        (resumeToken, signal) =>
          other.watchOrders({ target: { case: "userId", value: userId }, resumeToken }, { signal }),
        ({ order }) => `${order?.id} ${OrderStatus[order?.status ?? 0]}`,
      ).begin(seen.token());
      await until("what was missed", () => resumed.seen.length === 2);
      assert.deepEqual(resumed.seen, [`${second} CANCELLED`, `${third} PLACED`]);
      const resumedLevels = watcher(
        (resumeToken, signal) => stock.watchStock({ skus: ["TEA"], resumeToken }, { signal }),
        ({ stock }) => `${stock?.available} ${stock?.held} ${stock?.sold}`,
      ).begin(levels.token());
      await until("the level of now", () => resumedLevels.seen.at(-1) === "8 1 1");
      await Promise.all([resumed.leave(), resumedLevels.leave()]);

      const reading = one.watchOrders({ target: { case: "userId", value: userId }, resumeToken: "x" });
      await assert.rejects(
        async () => {
          for await (const _ of reading);
        },
        (error) => isAppError(error, "RESUME_TOKEN_INVALID"),
      );
    },
  );

/** A watch that keeps what it is told, and the token of the last answer. */
function watcher<A extends { readonly resumeToken: string }>(
  watch: (resumeToken: string, signal: AbortSignal) => AsyncIterable<A>,
  tell: (answer: A) => string,
) {
  return {
    begin: (resumeToken: string) => {
      const controller = new AbortController();
      const seen: string[] = [];
      let token = resumeToken;
      const done = (async () => {
        for await (const answer of watch(resumeToken, controller.signal)) {
          token = answer.resumeToken;
          seen.push(tell(answer));
        }
      })().catch((error) => {
        if (!controller.signal.aborted) seen.push(String(error));
      });
      const leave = async () => {
        controller.abort();
        await done;
      };
      return { seen, token: () => token, leave };
    },
  };
}
