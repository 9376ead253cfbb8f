import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createTcpServer } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { credentials, Client as GrpcClient } from "@grpc/grpc-js";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { AppError, createContext, currentContext, type ErrorKind, isAppError, runWithContext } from "@shoal/kernel";
import { until } from "@shoal/testkit";
import { createClient } from "./client/client.ts";
import { fromStatus } from "./errors.ts";
import { type HandlerContext, implement, type ServiceHandlers } from "./server/handlers.ts";
import type { CallEnd } from "./server/serve-call.ts";
import { createServer } from "./server/server.ts";

const uuid = "0190a000-0000-7000-8000-000000000001";
const watch = { skus: ["A"] };

async function start(
  t: TestContext,
  inventory: Partial<ServiceHandlers<typeof InventoryService>>,
  order: Partial<ServiceHandlers<typeof OrderService>> = {},
) {
  const missing = new Proxy({}, { get: (_, name) => () => assert.fail(`no handler for ${String(name)}`) });
  const ends: CallEnd[] = [];
  const server = createServer({
    services: [
      implement(InventoryService, Object.setPrototypeOf(inventory, missing)),
      implement(OrderService, Object.setPrototypeOf(order, missing)),
    ],
    errorDomain: "shoal.test",
    onCallEnd: (end) => ends.push(end),
  });
  const port = await server.listen({ host: "127.0.0.1", port: 0 });
  const options = { address: `127.0.0.1:${port}` };
  const clients = { inventory: createClient(InventoryService, options), order: createClient(OrderService, options) };
  t.after(async () => {
    clients.inventory[Symbol.dispose]();
    clients.order[Symbol.dispose]();
    await server.drain(0);
  });
  return { ...clients, server, port, ends };
}

/** Waits until `holds`, for things that happen on the other side. */
const eventually = (holds: () => boolean): Promise<boolean> => until(String(holds), holds);

/** Waits until `signal` is aborted, which it may be already. */
async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

test("a unary call carries its request and its answer", async (t) => {
  const { inventory, ends } = await start(t, {
    getProduct: async ({ sku }) => ({ product: { sku, price: { minorUnits: 2n ** 63n - 1n, currency: "EUR" } } }),
  });
  const { product } = await inventory.getProduct({ sku: "TEA" });
  assert.deepEqual([product?.sku, product?.price?.minorUnits], ["TEA", 2n ** 63n - 1n]);
  await eventually(() => ends.length === 1);
  assert.deepEqual([ends[0]?.path, ends[0]?.code], ["/shoal.inventory.v1.InventoryService/GetProduct", "OK"]);
});

test("a server stream ends with its generator", async (t) => {
  const { inventory } = await start(t, {
    watchStock: async function* ({ skus }) {
      for (const sku of skus) yield { stock: { sku, available: 1n } };
    },
  });
  const seen: string[] = [];
  for await (const { stock } of inventory.watchStock({ skus: ["A", "B"] })) seen.push(stock?.sku ?? "");
  assert.deepEqual(seen, ["A", "B"]);
});

test("a client stream is read as it comes and answered once", async (t) => {
  const { inventory } = await start(t, {
    loadStock: async (requests) => {
      let received = 0n;
      for await (const _ of requests) received += 1n;
      return { received };
    },
  });
  const requests = (async function* () {
    for (let n = 0; n < 5_000; n += 1) yield { loadId: "l", line: { sku: `S${n}` } };
  })();
  assert.equal((await inventory.loadStock(requests)).received, 5_000n);
});

test("a bidirectional stream answers while requests still come", async (t) => {
  const { order } = await start(
    t,
    {},
    {
      placeOrders: async function* (requests) {
        for await (const { order: asked } of requests) yield { idempotencyKey: asked?.idempotencyKey ?? "" };
      },
    },
  );
  const answered = { count: 0 };
  const requests = (async function* () {
    for (let n = 0; n < 50; n += 1) {
      yield { order: { idempotencyKey: `k${n}` } };
      // Ping-pong: the next request waits for the answer to this one.
      await eventually(() => answered.count === n + 1);
    }
  })();
  for await (const { idempotencyKey } of order.placeOrders(requests)) {
    assert.equal(idempotencyKey, `k${answered.count}`);
    answered.count += 1;
  }
  assert.equal(answered.count, 50);
});

const kinds: Record<Exclude<ErrorKind, "internal">, string> = {
  invalid: "INVALID_ARGUMENT",
  missing: "NOT_FOUND",
  duplicate: "ALREADY_EXISTS",
  precondition: "FAILED_PRECONDITION",
  stale: "ABORTED",
  exhausted: "RESOURCE_EXHAUSTED",
  unavailable: "UNAVAILABLE",
  unauthenticated: "UNAUTHENTICATED",
  forbidden: "PERMISSION_DENIED",
  cancelled: "CANCELLED",
  timeout: "DEADLINE_EXCEEDED",
  unimplemented: "UNIMPLEMENTED",
};

for (const [kind, code] of Object.entries(kinds) as [ErrorKind, string][])
  test(`an error of kind ${kind} is ${code}, and the same error for the caller`, async (t) => {
    const thrown = new AppError({
      kind,
      reason: "TEST_REASON",
      domain: "shoal.test",
      message: "größer als erlaubt 🐟",
      metadata: { sku: "A" },
      ...(kind === "invalid" && { violations: [{ field: "lines[0].sku", description: "bad" }] }),
      ...(kind === "missing" && { resource: { type: "shoal.test.Thing", name: "a" } }),
      ...(kind === "precondition" && { preconditions: [{ subject: "A", description: "none left" }] }),
      ...(kind === "unavailable" && { retryAfterMs: 1_500 }),
      cause: new Error("secret"),
    });
    const { inventory, ends } = await start(t, { getProduct: () => Promise.reject(thrown) });
    await assert.rejects(inventory.getProduct({ sku: "A" }), (error) => {
      assert.ok(error instanceof AppError);
      const { kind, reason, domain, message, metadata, violations, resource, preconditions, retryAfterMs } = error;
      assert.deepEqual(
        { kind, reason, domain, message, metadata, violations, resource, preconditions, retryAfterMs },
        {
          kind: thrown.kind,
          reason: thrown.reason,
          domain: thrown.domain,
          message: thrown.message,
          metadata: thrown.metadata,
          violations: thrown.violations,
          resource: thrown.resource,
          preconditions: thrown.preconditions,
          retryAfterMs: thrown.retryAfterMs,
        },
      );
      return true;
    });
    // Of UNAVAILABLE there are several: the client has tried again.
    await eventually(() => ends.length > 0);
    assert.equal(ends[0]?.code, code);
  });

test("what a handler did not mean to say never reaches the caller", async (t) => {
  const { inventory, ends } = await start(t, {
    getProduct: () => Promise.reject(new Error("select * from users where password = 'hunter2'")),
    getStock: () => {
      throw new Error("hunter2");
    },
    // biome-ignore lint/correctness/useYield: fails before its first answer.
    watchStock: async function* () {
      throw new Error("hunter2");
    },
  });
  const calls = [
    inventory.getProduct({ sku: "A" }),
    inventory.getStock({ skus: ["A"] }),
    inventory.watchStock(watch).next(),
  ];
  for (const call of calls)
    await assert.rejects(call, (error) => {
      assert.ok(isAppError(error, "INTERNAL"));
      assert.match(error.message, /^internal error; quote request id [\w-]{36} when you report it$/);
      assert.equal(JSON.stringify(error).includes("hunter2"), false);
      return true;
    });
  await eventually(() => ends.length === 3);
  assert.match(String(ends[0]?.error), /hunter2/);
});

test("a request that breaks its contract's rules is refused with every field, before the handler", async (t) => {
  const { inventory } = await start(t, {});
  await assert.rejects(inventory.createProduct({ sku: "-", name: " ", price: { minorUnits: -1n } }), (error) => {
    assert.ok(isAppError(error, "INVALID_REQUEST"));
    assert.equal(error.domain, "shoal.test");
    assert.deepEqual(
      error.violations.map(({ field }) => field),
      ["sku", "name", "price.minor_units", "price.currency"],
    );
    return true;
  });
});

test("a rule about a whole message names its field", async (t) => {
  const { inventory } = await start(t, {});
  const call = inventory.updateProduct({ sku: "A", version: 1, updateMask: { paths: ["name"] } });
  await assert.rejects(call, (error) => isAppError(error) && error.violations[0]?.field === "name");
});

test("what was answered before a stream failed arrives before the failure", async (t) => {
  const { inventory } = await start(t, {
    watchStock: async function* () {
      for (let n = 0; n < 500; n += 1) yield { stock: { sku: `S${n}` } };
      throw new AppError({ kind: "unavailable", reason: "GONE", domain: "shoal.test", message: "gone" });
    },
  });
  let seen = 0;
  await assert.rejects(async () => {
    for await (const _ of inventory.watchStock(watch)) seen += 1;
  }, /gone/);
  assert.equal(seen, 500);
});

test("a handler learns that its caller's deadline passed, and the caller that it was exceeded", async (t) => {
  const reasons: unknown[] = [];
  const { inventory, ends } = await start(t, {
    getStock: async () => ({}),
    getProduct: async (_, { signal }) => {
      await aborted(signal);
      reasons.push(signal.reason);
      return {};
    },
  });
  // Connected first, so that the call is with its handler long before its time is over.
  await inventory.getStock({ skus: ["A"] });
  await eventually(() => ends.splice(0).length === 1);
  const context = createContext({ requestId: "r", deadline: Date.now() + 1_000 });
  const call = runWithContext(context, () => inventory.getProduct({ sku: "A" }));
  await assert.rejects(call, (error) => isAppError(error) && error.kind === "timeout");
  await eventually(() => ends.length === 1);
  // The caller's clock runs out first, and then it cancels: which of the two the server sees first is a matter of luck.
  assert.ok(isAppError(reasons[0]) && ["timeout", "cancelled"].includes(reasons[0].kind));
  assert.match(ends[0]?.code ?? "", /^(DEADLINE_EXCEEDED|CANCELLED)$/);
});

test("a handler learns that its caller gave up, and its own calls are given up too", async (t) => {
  const inner = Promise.withResolvers<HandlerContext>();
  const { inventory, ends } = await start(t, {
    getProduct: async () => {
      await inventory.getStock({ skus: ["A"] });
      return {};
    },
    getStock: async (_, context) => {
      inner.resolve(context);
      await aborted(context.signal);
      return {};
    },
  });
  const controller = new AbortController();
  const call = inventory.getProduct({ sku: "A" }, { signal: controller.signal });
  const { signal } = await inner.promise;
  controller.abort();
  await assert.rejects(call, (error) => isAppError(error) && error.kind === "cancelled");
  await eventually(() => signal.aborted && ends.length === 2);
  assert.deepEqual(
    ends.map(({ code }) => code),
    ["CANCELLED", "CANCELLED"],
  );
});

test("leaving a stream's loop early ends its generator on the server", async (t) => {
  let closed = false;
  const { inventory } = await start(t, {
    watchStock: async function* () {
      try {
        for (let n = 0; ; n += 1) {
          yield { stock: { sku: `S${n}` } };
          await sleep(1);
        }
      } finally {
        closed = true;
      }
    },
  });
  for await (const _ of inventory.watchStock(watch)) break;
  await eventually(() => closed);
});

test("a client stream whose source fails fails with that, and the server's handler ends", async (t) => {
  const received = Promise.withResolvers<void>();
  const { inventory, ends } = await start(t, {
    loadStock: async (requests) => {
      for await (const _ of requests) received.resolve();
      return {};
    },
  });
  const requests = (async function* () {
    yield { loadId: "l" };
    await received.promise;
    throw new Error("the file ended in the middle");
  })();
  await assert.rejects(inventory.loadStock(requests), /the file ended in the middle/);
  await eventually(() => ends.length === 1);
  assert.equal(ends[0]?.code, "CANCELLED");
});

test("a slow reader bounds what a server stream makes", async (t) => {
  let made = 0;
  const { inventory } = await start(t, {
    watchStock: async function* () {
      for (; made < 100_000; made += 1) yield { stock: { sku: "x".repeat(1_000) } };
    },
  });
  const stream = inventory.watchStock(watch);
  await stream.next();
  let before = -1;
  while (before !== made) {
    before = made;
    await sleep(100);
  }
  // HTTP/2 windows and stream buffers hold some hundred messages of this size, not a hundred thousand.
  assert.ok(made < 5_000, `${made} messages were made for a reader that took one`);
  await stream.return();
});

test("a slow handler bounds what a client stream is read of", async (t) => {
  let sent = 0;
  const { inventory } = await start(t, {
    loadStock: async (requests) => {
      for await (const _ of requests) break;
      await sleep(300);
      return { received: 1n };
    },
  });
  const requests = (async function* () {
    for (; sent < 100_000; sent += 1) yield { loadId: "l", line: { name: "x".repeat(1_000) } };
  })();
  assert.equal((await inventory.loadStock(requests)).received, 1n);
  assert.ok(sent < 5_000, `${sent} messages were sent to a handler that read one`);
});

test("the request id of a call goes along with the calls made for it", async (t) => {
  const seen: string[] = [];
  const { inventory } = await start(t, {
    getProduct: async () => {
      seen.push(currentContext()?.requestId ?? "");
      await inventory.getStock({ skus: ["A"] });
      return {};
    },
    getStock: async () => {
      seen.push(currentContext()?.requestId ?? "");
      return {};
    },
  });
  await inventory.getProduct({ sku: "A" });
  assert.match(seen[0] ?? "", /^[\w-]{36}$/);
  assert.equal(seen[0], seen[1]);
});

test("a server nobody answers for is unavailable", async () => {
  using client = createClient(OrderService, { address: "127.0.0.1:1" });
  await assert.rejects(
    client.getOrder({ orderId: uuid }),
    (error) => isAppError(error) && error.kind === "unavailable",
  );
});

test("a port that is in use is told by the system's own code", async (t) => {
  const other = createTcpServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  t.after(() => other.close());
  const server = createServer({ services: [], errorDomain: "shoal.test" });
  t.after(() => server.drain(0));
  const { port } = other.address() as { port: number };
  await assert.rejects(server.listen({ host: "127.0.0.1", port }), { code: "EADDRINUSE" });
});

test("draining finishes what runs and refuses what comes", async (t) => {
  const release = Promise.withResolvers<void>();
  const running = Promise.withResolvers<AbortSignal>();
  const { inventory, server } = await start(t, {
    getProduct: async (_, { draining }) => {
      running.resolve(draining);
      await release.promise;
      return { product: { sku: "A" } };
    },
  });
  const call = inventory.getProduct({ sku: "A" });
  const told = once(await running.promise, "abort");
  const drained = server.drain(10_000);
  await told;
  await assert.rejects(
    inventory.getStock({ skus: ["A"] }),
    (error) => isAppError(error) && error.kind === "unavailable",
  );
  release.resolve();
  assert.equal((await call).product?.sku, "A");
  assert.deepEqual(await drained, { forced: false });
});

test("draining ends what takes too long", async (t) => {
  const running = Promise.withResolvers<void>();
  const { inventory, server } = await start(t, {
    createProduct: () => {
      running.resolve();
      return new Promise<never>(() => {});
    },
  });
  const call = inventory.createProduct({ sku: "A", name: "A", price: { currency: "EUR" } });
  const failed = assert.rejects(call, (error) => isAppError(error, "SERVER_DRAINING"));
  await running.promise;
  assert.deepEqual(await server.drain(50), { forced: true });
  await failed;
});

test("draining tells streams without an end of their own to end", async (t) => {
  const running = Promise.withResolvers<void>();
  const { inventory, server } = await start(t, {
    watchStock: async function* (_, { draining }) {
      yield { stock: { sku: "A" } };
      running.resolve();
      await aborted(draining);
    },
  });
  const stream = inventory.watchStock(watch);
  await stream.next();
  await running.promise;
  const drained = server.drain(10_000);
  assert.equal((await stream.next()).done, true);
  assert.deepEqual(await drained, { forced: false });
});

test("a stream that its server stops reading ends with what the handler says", async (t) => {
  const { order, server } = await start(
    t,
    {},
    {
      placeOrders: async function* (requests, { draining }) {
        for await (const _ of requests) {
          yield { idempotencyKey: "read" };
          if (draining.aborted) break;
        }
        throw new AppError({ kind: "unavailable", reason: "MOVED", domain: "shoal.test", message: "go elsewhere" });
      },
    },
  );
  const requests = (async function* () {
    while (true) yield { order: { idempotencyKey: "x".repeat(100) } };
  })();
  let drained: ReturnType<typeof server.drain> | undefined;
  await assert.rejects(
    async () => {
      for await (const _ of order.placeOrders(requests)) drained ??= server.drain(10_000);
    },
    (error) => isAppError(error, "MOVED"),
  );
  assert.deepEqual(await drained, { forced: false });
});

test("options out of range are refused by name", () => {
  assert.throws(
    () => createServer({ services: [], errorDomain: "x", maxStreamsPerConnection: 0 }),
    /maxStreamsPerConnection/,
  );
  assert.throws(() => createClient(OrderService, { address: "x:1", marginMs: -1 }), /marginMs/);
});

test("a call that may be repeated is tried again while the service is unavailable, another is not", async (t) => {
  const unavailable = () =>
    new AppError({ kind: "unavailable", reason: "TEST", domain: "shoal.test", message: "not now" });
  let reads = 0;
  let writes = 0;
  const { inventory } = await start(t, {
    getProduct: async () => {
      reads += 1;
      if (reads < 3) throw unavailable();
      return { product: { sku: "A" } };
    },
    createProduct: async () => {
      writes += 1;
      throw unavailable();
    },
  });
  assert.equal((await inventory.getProduct({ sku: "A" })).product?.sku, "A");
  assert.equal(reads, 3);
  const product = { sku: "A", name: "A", price: { minorUnits: 1n, currency: "EUR" } };
  await assert.rejects(inventory.createProduct(product), (error) => isAppError(error, "TEST"));
  assert.equal(writes, 1);
});

test("a call's own calls get what is left of its time less a margin, and none when nothing is left", async (t) => {
  const deadlines: number[] = [];
  const { inventory } = await start(t, {
    getProduct: async (_, { deadline }) => {
      deadlines.push(deadline);
      return {};
    },
  });
  const deadline = Date.now() + 2_000;
  await runWithContext(createContext({ requestId: "r", deadline }), () => inventory.getProduct({ sku: "A" }));
  // gRPC sends how much time is left, so that what the way takes, on a busy machine, comes on top.
  const margin = deadline - (deadlines[0] ?? 0);
  assert.ok(margin > -500 && margin < 20, `${margin} ms of margin`);
  const late = createContext({ requestId: "r", deadline: Date.now() + 5 });
  const call = runWithContext(late, () => inventory.getProduct({ sku: "A" }));
  await assert.rejects(call, (error) => isAppError(error) && error.kind === "timeout");
  assert.equal(deadlines.length, 1);
});

test("priority, baggage, trace and idempotency key go along with the calls made for a call", async (t) => {
  const seen: unknown[] = [];
  const { inventory } = await start(t, {
    getProduct: async () => {
      await inventory.getStock({ skus: ["A"] });
      return {};
    },
    getStock: async (_, { priority, baggage, traceparent, idempotencyKey }) => {
      seen.push({ priority, baggage, traceparent, idempotencyKey });
      return {};
    },
  });
  const sent = {
    priority: "sheddable" as const,
    baggage: new Map([["tenant", "acme"]]),
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    idempotencyKey: "k1",
  };
  await runWithContext(createContext({ requestId: "r", ...sent }), () => inventory.getProduct({ sku: "A" }));
  assert.deepEqual(seen, [sent]);
});

test("an answer that cannot be written is an internal error without the codec's text", async (t) => {
  const { inventory, ends } = await start(t, {
    getProduct: async () => ({ product: { version: 2 ** 40 } }),
    watchStock: async function* () {
      yield { stock: { available: 2n ** 70n } };
    },
  });
  for (const call of [inventory.getProduct({ sku: "A" }), inventory.watchStock(watch).next()])
    await assert.rejects(
      call,
      (error) => isAppError(error, "INTERNAL") && /^internal error; quote/.test(error.message),
    );
  await eventually(() => ends.length === 2);
});

test("bytes that are not the method's message, or too many of them, are refused as such", async (t) => {
  const { port } = await start(t, {});
  const grpc = new GrpcClient(`127.0.0.1:${port}`, credentials.createInsecure());
  t.after(() => grpc.close());
  const send = (bytes: Buffer) =>
    new Promise<AppError>((resolve, reject) => {
      const asIs = (value: Buffer) => value;
      grpc.makeUnaryRequest("/shoal.inventory.v1.InventoryService/GetProduct", asIs, asIs, bytes, (error) =>
        error === null ? reject(new Error("it was accepted")) : resolve(fromStatus(error)),
      );
    });
  const malformed = await send(Buffer.from([0x0a, 0xff, 0xff]));
  assert.deepEqual([malformed.kind, malformed.reason], ["invalid", "REQUEST_MALFORMED"]);
  const large = await send(Buffer.alloc(4 * 1024 * 1024 + 1));
  assert.equal(large.kind, "exhausted");
});

test("an error with ever so much to say fits the trailers, and the connection lives on", async (t) => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ subject: `${n}`.repeat(60), description: "größer 🐟".repeat(50) }));
  const { inventory } = await start(t, {
    getProduct: async () => ({ product: { sku: "A" } }),
    getReservation: () =>
      Promise.reject(
        new AppError({
          kind: "precondition",
          reason: "TEST_REASON",
          domain: "shoal.test",
          message: "größer 🐟".repeat(5_000),
          metadata: Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`key${n}`, "v".repeat(1_000)])),
          preconditions: many(5_000),
        }),
      ),
  });
  await inventory.getProduct({ sku: "A" });
  const refused = inventory.batchGetProducts({ skus: Array.from({ length: 5_000 }, (_, n) => `!${n}`) });
  const large = inventory.getReservation({ reservationId: "r" });
  const innocent = inventory.getProduct({ sku: "A" });
  await assert.rejects(refused, (error) => {
    assert.ok(isAppError(error, "INVALID_REQUEST"));
    assert.ok(error.violations.length > 1);
    assert.match(error.violations.at(-1)?.description ?? "", /^and \d+ more$/);
    return true;
  });
  await assert.rejects(large, (error) => isAppError(error, "TEST_REASON") && error.message.endsWith("…"));
  assert.equal((await innocent).product?.sku, "A");
});

test("thousands of callers that give up at once take nobody else's call with them", async (t) => {
  const release = Promise.withResolvers<void>();
  const { inventory } = await start(t, {
    getProduct: async (_, { signal }) => {
      await aborted(signal);
      return {};
    },
    getReservation: async () => {
      await release.promise;
      return { reservation: { id: "r" } };
    },
  });
  // So long that a busy machine does not end it.
  const innocent = inventory.getReservation({ reservationId: "r" }, { timeoutMs: 60_000 });
  for (let round = 1; round <= 5; round += 1) {
    const controller = new AbortController();
    const calls = Array.from({ length: 500 }, () => inventory.getProduct({ sku: "A" }, { signal: controller.signal }));
    const settled = Promise.allSettled(calls);
    await sleep(50);
    controller.abort();
    await settled;
  }
  release.resolve();
  assert.equal((await innocent).reservation?.id, "r");
});

test("a method that asks for authorization is not served where nobody can tell who calls", () => {
  const policies = { "/grpc.health.v1.Health/Check": { scopes: ["ops"] } };
  const create = () => createServer({ services: [], errorDomain: "shoal.test", policies });
  assert.throws(create, /Health\/Check asks for authorization; give the server the option identify/);
});
