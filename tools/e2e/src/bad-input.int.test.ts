import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { InventoryService, type LoadStockLineSchema } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { storageEngines } from "@shoal/testkit";
import { type BadCall, type Clients, send, unknownId } from "./bad-call.ts";
import { badInventoryCalls } from "./bad-inventory-calls.ts";
import { badOrderCalls } from "./bad-order-calls.ts";
import { badUserCalls } from "./bad-user-calls.ts";
import { type DatabaseDump, openDatabaseDump } from "./database-dump.ts";
import { failureOf } from "./failure.ts";
import { newPlace } from "./stack.ts";
import { makeWorld, teaLoad, type World } from "./world.ts";

const services = [UserService, InventoryService, OrderService];
const serviceOf = new Map(
  services.flatMap((service) =>
    service.methods.map((method) => [method.name, service.typeName.split(".")[1]] as const),
  ),
);
/** The codes whose kind of detail every answer must have. */
const withResource = new Set(["NOT_FOUND", "ALREADY_EXISTS"]);

for (const engine of storageEngines) {
  test(`bad input on ${engine.name}`, engine.options, async (t) => {
    const place = await newPlace(t, engine);
    const { world, stack } = await makeWorld(t, place);
    const dumps = await Promise.all(Object.values(place.databases).map(openDatabaseDump));
    t.after(() => Promise.all(dumps.map((dump) => dump.close())));
    let rows = await rowsOf(dumps);
    assert.ok(rows.flat().length > 20, "there is something to leave a trace in");
    const assertNoTrace = async () => {
      const before = rows;
      rows = await rowsOf(dumps);
      assert.deepEqual(rows, before);
    };

    const calls = [...badUserCalls(world), ...badInventoryCalls(world), ...badOrderCalls(world)];
    await t.test("every RPC is called badly", () => {
      assert.equal(serviceOf.size, 27);
      assert.deepEqual(new Set(calls.map(({ rpc }) => rpc)), new Set(serviceOf.keys()));
    });
    for (const call of calls)
      await t.test(`${call.rpc}: ${call.when}`, async () => {
        await assertRefused(call, stack.clients);
        await assertNoTrace();
      });
    for (const [name, check] of lenient(world))
      await t.test(name, async (t) => {
        await check(stack.clients, t);
        await assertNoTrace();
      });
  });
}

async function assertRefused(bad: BadCall, clients: Clients): Promise<void> {
  const failure = await failureOf(bad.call(clients));
  const { code, infos, fields, message } = failure;
  const domain = bad.domain ?? `shoal.${serviceOf.get(bad.rpc)}`;
  const [info] = infos;
  assert.deepEqual(
    { code, infos: infos.length, reason: info?.reason, domain: info?.domain, fields },
    { code: bad.code, infos: 1, reason: bad.reason, domain, fields: bad.fields && [...bad.fields].sort() },
    message,
  );
  for (const [key, value] of Object.entries(bad.metadata ?? {})) assert.equal(info?.metadata[key], value);
  assert.notEqual(message, "");
  assert.equal(failure.hasResource, withResource.has(code), "a ResourceInfo, where there is a resource");
  assert.equal(failure.hasPreconditions, code === "FAILED_PRECONDITION", "a PreconditionFailure, where one failed");
}

type Check = (clients: Clients, t: TestContext) => Promise<void>;

/** Bad input that the contract answers instead of refusing it. */
function lenient({ ada, tea, loadId }: World): readonly (readonly [string, Check])[] {
  const line = { sku: "NEW", name: "New", price: { minorUnits: 1n, currency: "EUR" }, quantity: 1 };
  return [
    [
      "BatchGetUsers: unknown ids are listed, in the order asked",
      async ({ user }) => {
        const { users, missingUserIds } = await user.batchGetUsers({ userIds: [unknownId, ada.id] });
        assert.deepEqual([users.map(({ id }) => id), missingUserIds], [[ada.id], [unknownId]]);
      },
    ],
    [
      "BatchGetProducts: unknown SKUs are listed, in the order asked",
      async ({ inventory }) => {
        const { products, missingSkus } = await inventory.batchGetProducts({ skus: ["NO-1", tea.sku, "NO-0"] });
        assert.deepEqual([products.map(({ sku }) => sku), missingSkus], [[tea.sku], ["NO-1", "NO-0"]]);
      },
    ],
    [
      "GetStock: unknown SKUs are listed, in the order asked",
      async ({ inventory }) => {
        const { stock, missingSkus } = await inventory.getStock({ skus: ["NO-1", tea.sku, "NO-0"] });
        assert.deepEqual([stock.map(({ sku }) => sku), missingSkus], [[tea.sku], ["NO-1", "NO-0"]]);
      },
    ],
    [
      "ListOrders: an unknown user has none",
      async ({ order }) => {
        const { orders, nextPageToken } = await order.listOrders({ userId: unknownId });
        assert.deepEqual([orders, nextPageToken], [[], ""]);
      },
    ],
    [
      "LoadStock: every bad line is rejected alone, with its number and why",
      async ({ inventory }) => {
        const bad: readonly (MessageInitShape<typeof LoadStockLineSchema> | undefined)[] = [
          undefined,
          {},
          { ...line, sku: "-" },
          { ...line, sku: "x".repeat(65) },
          { ...line, name: " " },
          { ...line, description: "x".repeat(2001) },
          { ...line, price: { minorUnits: -1n, currency: "EUR" } },
          { ...line, price: { minorUnits: 1n, currency: "eur" } },
          { ...line, quantity: -1 },
          { ...line, quantity: 1_000_000_001 },
        ];
        const summary = await inventory.loadStock(
          send(...bad.map((line) => ({ loadId: "bad", ...(line && { line }) }))),
        );
        assert.equal(summary.received, 10n);
        assert.equal(summary.rejected, 10n);
        assert.equal(summary.created + summary.updated + summary.unchanged, 0n);
        assert.deepEqual(
          summary.rejectedLines.map(({ lineNumber, sku, reason }) => [lineNumber, sku, reason]),
          bad.map((line, i) => [BigInt(i + 1), (line?.sku ?? "").slice(0, 64), "INVALID_LINE"]),
        );
        for (const { message } of summary.rejectedLines) assert.notEqual(message, "");
      },
    ],
    [
      "LoadStock: a load that is sent again changes nothing, and a second line for its SKU is rejected",
      async ({ inventory }) => {
        const { price } = tea;
        const second = { sku: tea.sku, name: tea.name, ...(price && { price }), quantity: 4 };
        const sent = async function* () {
          yield* teaLoad(tea, loadId);
          yield { loadId, line: second };
        };
        const summary = await inventory.loadStock(sent());
        assert.deepEqual([summary.received, summary.unchanged, summary.rejected], [2n, 1n, 1n]);
        assert.deepEqual(
          summary.rejectedLines.map(({ lineNumber, sku, reason }) => [lineNumber, sku, reason]),
          [[2n, tea.sku, "DUPLICATE_LINE"]],
        );
      },
    ],
    [
      "LoadStock: a load without lines",
      async ({ inventory }) => {
        assert.equal((await inventory.loadStock(send())).received, 0n);
      },
    ],
  ];
}

async function rowsOf(dumps: readonly DatabaseDump[]): Promise<readonly (readonly string[])[]> {
  return await Promise.all(dumps.map((dump) => dump.rows()));
}
