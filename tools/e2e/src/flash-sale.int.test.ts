import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { checkInvariants } from "@shoal/invariants";
import { isAppError } from "@shoal/kernel";
import { createClient } from "@shoal/rpc";
import { storageEngines } from "@shoal/testkit";
import { newPlace, startStack } from "./stack.ts";

const buyers = 5_000;
const pieces = 100;
const atOnce = 256;

for (const engine of storageEngines)
  test(
    `on ${engine.name} ${buyers} buyers at two instances get ${pieces} pieces, and the others the same refusal, then and later`,
    engine.options,
    async (t) => {
      const place = await newPlace(t, engine);
      const { launched, clients } = await startStack(t, place, {
        scale: new Map([["order", 2]]),
      });
      const instances = ["order", "order-2"].map((name) => {
        const client = createClient(OrderService, { address: launched.service(name).grpcAddress });
        t.after(() => client[Symbol.dispose]());
        return client;
      });
      const { user } = await clients.user.createUser({ email: "ada@example.com", displayName: "Ada" });
      const userId = user?.id ?? "";
      const price = { minorUnits: 450n, currency: "EUR" };
      await clients.inventory.createProduct({ sku: "HOT", name: "Hot", price, initialQuantity: pieces });

      /** What a buyer ends up with, who asks again while the service is busy. */
      const buy = async (buyer: number): Promise<string> => {
        const request = { userId, idempotencyKey: `buyer-${buyer}`, lines: [{ sku: "HOT", quantity: 1 }] };
        for (let attempt = 0; ; attempt += 1) {
          try {
            const { order } = (await instances[(buyer + attempt) % 2]?.createOrder(request)) ?? {};
            return order?.id ?? "nothing";
          } catch (error) {
            assert.ok(isAppError(error), String(error));
            if (!["exhausted", "unavailable"].includes(error.kind) || attempt > 50) return error.reason;
            await sleep(error.retryAfterMs ?? 100);
          }
        }
      };
      const all = async () => {
        const got: string[] = [];
        const queue = Array.from({ length: buyers }, (_, buyer) => buyer).values();
        const next = async () => {
          for (const buyer of queue) got[buyer] = await buy(buyer);
        };
        await Promise.all(Array.from({ length: atOnce }, next));
        return got;
      };
      const results = await all();
      const orders = results.filter((result) => result !== "INSUFFICIENT_STOCK");
      assert.equal(new Set(orders).size, pieces, `orders: ${[...new Set(orders)].slice(0, 5)}`);
      assert.equal(orders.length, pieces);
      const level = async () => {
        const { stock } = await clients.inventory.getStock({ skus: ["HOT"] });
        return stock.map(({ available, held, sold }) => [available, held, sold]);
      };
      assert.deepEqual(await level(), [[0n, BigInt(pieces), 0n]]);

      const [first = ""] = orders;
      await clients.order.cancelOrder({ orderId: first });
      assert.deepEqual(await all(), results, "the same request gets its first answer, though a piece is free by now");
      assert.deepEqual(await level(), [[1n, BigInt(pieces - 1), 0n]]);
      const findings = await checkInvariants({ ...place.databases, settled: false, overdueMs: 60_000 });
      assert.deepEqual(
        findings.filter(({ violations }) => violations > 0),
        [],
      );
    },
  );
