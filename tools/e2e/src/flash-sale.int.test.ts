import assert from "node:assert/strict";
import { test } from "node:test";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { checkInvariants } from "@shoal/invariants";
import { isAppError } from "@shoal/kernel";
import { createClient } from "@shoal/rpc";
import { storageEngines } from "@shoal/testkit";
import { insist } from "./buyers.ts";
import { newPlace, startStack } from "./stack.ts";
import { got } from "./world.ts";

const buyers = 5_000;
const pieces = 100;
const atOnce = 256;

/** Of those who got nothing, so many ask again, as all who got something do. */
const comeAgain = 200;

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

      /** What a buyer ends up with, who asks again while the service is busy: the order's id, or nothing. */
      const buy = async (buyer: number): Promise<string | undefined> => {
        const request = { userId, idempotencyKey: `buyer-${buyer}`, lines: [{ sku: "HOT", quantity: 1 }] };
        try {
          const { order } = await insist((attempt) => got(instances[(buyer + attempt) % 2]).createOrder(request));
          return got(order).id;
        } catch (error) {
          if (isAppError(error, "INSUFFICIENT_STOCK")) return undefined;
          throw error;
        }
      };
      const all = async (who: readonly number[]) => {
        const results: (string | undefined)[] = [];
        const queue = who.entries();
        const next = async () => {
          for (const [at, buyer] of queue) results[at] = await buy(buyer);
        };
        await Promise.all(Array.from({ length: atOnce }, next));
        return results;
      };
      const everybody = Array.from({ length: buyers }, (_, buyer) => buyer);
      const results = await all(everybody);
      const winners = everybody.filter((buyer) => results[buyer] !== undefined);
      assert.equal(winners.length, pieces);
      assert.equal(new Set(winners.map((buyer) => results[buyer])).size, pieces);
      const level = async () => {
        const { stock } = await clients.inventory.getStock({ skus: ["HOT"] });
        return stock.map(({ available, held, sold }) => [available, held, sold]);
      };
      assert.deepEqual(await level(), [[0n, BigInt(pieces), 0n]]);

      const [first = 0] = winners;
      await clients.order.cancelOrder({ orderId: got(results[first]) });
      const losers = everybody.filter((buyer) => results[buyer] === undefined).slice(-comeAgain);
      const again = [...winners, ...losers];
      assert.deepEqual(
        await all(again),
        again.map((buyer) => results[buyer]),
        "the same request gets its first answer, though a piece is free by now",
      );
      assert.deepEqual(await level(), [[1n, BigInt(pieces - 1), 0n]]);
      const findings = await checkInvariants({ ...place.databases, settled: false, overdueMs: 60_000 });
      assert.deepEqual(
        findings.filter(({ violations }) => violations > 0),
        [],
      );
    },
  );
