import assert from "node:assert/strict";
import { test } from "node:test";
import { bufCurl } from "./buf-curl.ts";
import { needsPythonGrpc, pythonClient } from "./python.ts";
import { newPlace, startStack } from "./stack.ts";

const users = "shoal.user.v1.UserService";
const inventory = "shoal.inventory.v1.InventoryService";
const orders = "shoal.order.v1.OrderService";
const price = { minorUnits: "450", currency: "EUR" };

test("a Python client makes every kind of call, and reads what buf curl reads", needsPythonGrpc(), async (t) => {
  const { launched } = await startStack(t, await newPlace(t));
  const call = await pythonClient(t);
  const [user, stock, order] = ["user", "inventory", "order"].map((name) => launched.service(name).grpcAddress) as [
    string,
    string,
    string,
  ];
  const one = async (address: string, method: string, request: object) => {
    const { responses, message } = await call(address, method, [request]);
    assert.equal(responses?.length, 1, message);
    return responses[0];
  };

  assert.deepEqual(await one(order, "grpc.health.v1.Health/Check", {}), { status: "SERVING" });
  const ada = (await one(user, `${users}/CreateUser`, { email: "ada@example.com", displayName: "Ada 🦈" })).user;
  const product = { sku: "TEA", name: "Tea", price, initialQuantity: 3 };
  await one(stock, `${inventory}/CreateProduct`, product);
  const request = { idempotencyKey: "key", userId: ada.id, lines: [{ sku: "TEA", quantity: 2 }] };
  const placed = (await one(order, `${orders}/CreateOrder`, request)).order;
  assert.deepEqual([placed.status, placed.total], ["ORDER_STATUS_PLACED", { minorUnits: "900", currency: "EUR" }]);

  for (const [address, method, read] of [
    [user, `${users}/GetUser`, { userId: ada.id }],
    [stock, `${inventory}/GetProduct`, { sku: "TEA" }],
    [stock, `${inventory}/GetReservation`, { reservationId: placed.id }],
    [order, `${orders}/GetOrder`, { orderId: placed.id }],
    [order, `${orders}/ListOrders`, { userId: ada.id }],
  ] as const)
    assert.deepEqual(await one(address, method, read), (await bufCurl(address, method, read)).response);

  const line = (sku: string) => ({ loadId: "load", line: { sku, name: sku, price, quantity: 1 } });
  const load = await call(stock, `${inventory}/LoadStock`, [line("A"), line("B"), line("-")]);
  assert.deepEqual([load.responses?.[0].created, load.responses?.[0].rejected], ["2", "1"]);

  const watched = await call(stock, `${inventory}/WatchStock`, [{ skus: ["TEA"] }], 1);
  const [{ stock: level, resumeToken } = {}] = watched.responses ?? [];
  assert.deepEqual(level, { sku: "TEA", available: "1", held: "2" });
  assert.ok(resumeToken, "a watch can be resumed");

  const stream = ["A", "NONE", "B"].map((sku) => {
    return { order: { idempotencyKey: `stream-${sku}`, userId: ada.id, lines: [{ sku, quantity: 1 }] } };
  });
  const { responses = [] } = await call(order, `${orders}/PlaceOrders`, stream);
  const results = responses.map((response) => [response.idempotencyKey, response.order?.status ?? response.error.code]);
  assert.deepEqual(results.sort(), [
    ["stream-A", "ORDER_STATUS_PLACED"],
    ["stream-B", "ORDER_STATUS_PLACED"],
    ["stream-NONE", 5],
  ]);

  const lines = [{ sku: "TEA", quantity: 2 }];
  const short = await call(order, `${orders}/CreateOrder`, [{ ...request, idempotencyKey: "short", lines }]);
  assert.equal(short.code, "FAILED_PRECONDITION");
  assert.deepEqual(short.details?.[0], {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    reason: "INSUFFICIENT_STOCK",
    domain: "shoal.order",
    metadata: { sku: "TEA", requested: "2", available: "1" },
  });
  const invalid = await call(order, `${orders}/CreateOrder`, [{ ...request, lines: [{ sku: "TEA" }] }]);
  assert.equal(invalid.code, "INVALID_ARGUMENT");
  const badRequest = invalid.details?.find((detail) => String(detail["@type"]).endsWith("google.rpc.BadRequest"));
  assert.match(JSON.stringify(badRequest), /"field":"lines\[0\]\.quantity"/);
});
