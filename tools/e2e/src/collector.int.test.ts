import assert from "node:assert/strict";
import { suite, type TestContext, test } from "node:test";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { anyPorts, type LogLine, launch } from "@shoal/launcher";
import { createClient } from "@shoal/rpc";
import { services } from "@shoal/services";
import { lastingPort, type OtlpReceiver, startOtlpReceiver, until } from "@shoal/testkit";
import { newPlace, startStack } from "./stack.ts";

/** So that queues are full soon, and that nobody waits long for an answer that does not come. */
const sending = {
  OTEL_BSP_MAX_QUEUE_SIZE: "256",
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "64",
  OTEL_BLRP_MAX_QUEUE_SIZE: "256",
  OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: "64",
};

/** How long a service without calls may take to stop: its parts 5 s, and what it sends last 2 s. */
const stopMs = 7_000;

suite("where its collector is in trouble", { concurrency: true }, () => {
  test("hanging: all orders are answered, no memory is taken by what is not sent, and services stop in time", async (t) => {
    const collector = await startOtlpReceiver(t);
    collector.behave("hang");
    const { onWarning, requireOrderlyStop } = watchWarnings();
    const env = { ...collector.environment, ...sending, SHOAL_ORDER_ADMIN_TOKEN: adminToken };
    const { launched, clients, stop } = await startStack(t, await newPlace(t), { env, onWarning });
    const { user } = await clients.user.createUser({ email: "ada@example.com", displayName: "Ada" });
    const userId = user?.id ?? "";
    const price = { minorUnits: 450n, currency: "EUR" };
    await clients.inventory.createProduct({ sku: "TEA", name: "Tea", price, initialQuantity: 1_000 });
    const lines = [{ sku: "TEA", quantity: 1 }];
    const place = (n: number) => clients.order.createOrder({ userId, idempotencyKey: `order-${n}`, lines });
    const { order } = await place(0);
    await until("it holds what all have sent", () => collector.requests >= 6);
    await times(100, (n) => place(n + 1));
    assert.equal(collector.answered, 0);

    const { adminAddress } = launched.service("order");
    const round = () => times(1_000, () => clients.order.getOrder({ orderId: order?.id ?? "" }));
    // The queues are full then.
    await round();
    const before = await heapInUse(adminAddress);
    await round();
    await round();
    // Spans and lines of 2,000 calls that were kept would take 7 MiB.
    const more = (await heapInUse(adminAddress)) - before;
    assert.ok(more < 2.5 * 1024 ** 2, `${more} bytes more`);
    await requireOrderlyStop(stop, 2);
    assert.equal(collector.answered, 0);
  });

  test("slow: calls do not wait for it, and the service stops in time", async (t) => {
    const collector = await startOtlpReceiver(t);
    const slowMs = 8_000;
    collector.behave("take", slowMs);
    const { users, stop } = await startUser(t, collector.environment);
    await users.create();
    await until("it has been sent something", () => collector.requests > 0);
    const beganAt = performance.now();
    for (let n = 0; n < 40; n += 1) await users.create();
    // Had one of them waited for what is sent, it would have taken longer.
    assert.ok(performance.now() - beganAt < slowMs);
    await stop();
  });

  test("refusing for now: calls succeed, and the service stops in time", async (t) => {
    await survive(t, (collector) => collector.behave("refuse"));
  });

  test("refusing for good: calls succeed, and the service stops in time", async (t) => {
    await survive(t, (collector) => collector.behave("fail"));
  });

  test("absent: calls succeed, the log says why nothing is sent, and the service stops in time", async (t) => {
    const { users, warnings, stop } = await startUser(t, {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await lastingPort()}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: "1000",
      OTEL_BSP_SCHEDULE_DELAY: "50",
    });
    await users.create();
    await until("it is told", () => warnings.length > 0);
    for (let n = 0; n < 40; n += 1) await users.create();
    await stop();
    // Once, whatever has failed since.
    assert.deepEqual(
      warnings.map(({ message }) => message),
      [notSent],
    );
  });
});

/** Has a user service called while its collector does not take what it sends. */
async function survive(t: TestContext, trouble: (collector: OtlpReceiver) => void): Promise<void> {
  const collector = await startOtlpReceiver(t);
  trouble(collector);
  const { users, stop } = await startUser(t, collector.environment);
  await users.create();
  await until("it has refused something", () => collector.answered > 0);
  for (let n = 0; n < 40; n += 1) await users.create();
  await stop();
  assert.deepEqual([collector.spans, collector.logs], [[], []]);
}

/** A user service alone, and what it has warned of. */
async function startUser(t: TestContext, env: Readonly<Record<string, string>>) {
  const { home, databases } = await newPlace(t);
  const { warnings, onWarning, requireOrderlyStop } = watchWarnings();
  const launched = await launch({
    services: services.filter(({ name }) => name === "user"),
    home,
    env: { ...process.env, ...anyPorts, SHOAL_USER_DATABASE_URL: databases.user, ...env },
    onWarning,
  });
  t.after(() => launched.stop());
  const client = createClient(UserService, { address: launched.service("user").grpcAddress });
  t.after(() => client[Symbol.dispose]());
  let created = 0;
  const create = async () => {
    created += 1;
    await client.createUser({ email: `ada-${created}@example.com`, displayName: "Ada" });
  };
  return { users: { create }, warnings, stop: () => requireOrderlyStop(() => launched.stop(), 1) };
}

const notSent = "telemetry is not sent as it should be";

/** Keeps what services warn of, also that one had to be ended. */
function watchWarnings() {
  const warnings: LogLine[] = [];
  return {
    warnings,
    onWarning: (_service: string, line: LogLine) => void warnings.push(line),
    /** Stops services, of which `depth` stop one after the other, and fails where that is not orderly or takes too long. */
    requireOrderlyStop: async (stop: () => Promise<void>, depth: number) => {
      const askedAt = performance.now();
      await stop();
      assert.ok(performance.now() - askedAt < depth * stopMs);
      assert.deepEqual(
        warnings.filter(({ message }) => message !== notSent),
        [],
      );
    },
  };
}

/** Does `work` for each number below `count`, some at once. */
async function times(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const caller = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: 32 }, caller));
}

const adminToken = "for-this-test";

/**
 * How much of its heap a service uses, in bytes, without garbage. A profile of what is allocated has V8 collect that first; it
 * is taken some times, for V8 forgets compiled code too, once that was not run between collections.
 */
async function heapInUse(adminAddress: string): Promise<number> {
  const headers = { authorization: `Bearer ${adminToken}` };
  for (let n = 0; n < 6; n += 1) {
    const profile = await fetch(`http://${adminAddress}/debug/allocations?seconds=0.01`, { headers });
    assert.equal(profile.status, 200);
    await profile.arrayBuffer();
  }
  const metrics = await (await fetch(`http://${adminAddress}/metrics`)).text();
  const spaces = [...metrics.matchAll(/^v8js_memory_heap_used_bytes{.*} (\d+)/gm)];
  assert.ok(spaces.length > 0);
  return spaces.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}
