import assert from "node:assert/strict";
import { test } from "node:test";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { isAppError } from "@shoal/kernel";
import { createClient } from "@shoal/rpc";
import { startBuyers } from "./buyers.ts";

test("buyers end when their client is closed", async () => {
  const client = createClient(OrderService, { address: "127.0.0.1:1" });
  client[Symbol.dispose]();
  const buyers = startBuyers({ instances: [client], userId: "ada", count: 2, skus: () => ["TEA"] });
  await assert.rejects(buyers.stop(), (error) => isAppError(error, "CLIENT_CLOSED"));
});
