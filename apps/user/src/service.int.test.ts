import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { readSettings } from "@shoal/config";
import { Health, HealthCheckResponse_ServingStatus as HealthStatus } from "@shoal/contracts/grpc/health/v1/health";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { isAppError } from "@shoal/kernel";
import { createClient } from "@shoal/rpc";
import { startService } from "@shoal/runtime";
import { defaultDatabaseOptions, openDatabase } from "@shoal/storage";
import { createLogger } from "@shoal/telemetry";
import { temporaryDirectory, until } from "@shoal/testkit";
import { declaredSettings } from "./config.ts";
import { userService } from "./service.ts";

test("a flood is refused at the door while the database is busy; what was let in succeeds, and health is served", async (t) => {
  const databaseUrl = `sqlite:${join(await temporaryDirectory(t), "user.db")}`;
  const settings = readSettings("SHOAL_USER_", declaredSettings, {
    SHOAL_USER_GRPC_PORT: "0",
    SHOAL_USER_ADMIN_PORT: "0",
    SHOAL_USER_DATABASE_URL: databaseUrl,
    // It would refuse most of them before they are at that door.
    SHOAL_USER_LOAD_SHEDDING: "off",
  });
  const service = await startService(userService, settings, createLogger("user", "fatal"));
  t.after(() => service.stop());
  // A server allows each connection only so many calls at once.
  const address = `127.0.0.1:${service.grpcPort}`;
  const clients = Array.from({ length: 10 }, () => createClient(UserService, { address }));
  const health = createClient(Health, { address });
  t.after(() => {
    for (const client of [...clients, health]) client[Symbol.dispose]();
  });

  // Another process, as it were, has the file, so nothing gets on.
  const other = openDatabase(databaseUrl);
  t.after(() => other.close());
  const release = Promise.withResolvers<void>();
  const holding = Promise.withResolvers<void>();
  const holder = other.transaction(async () => {
    holding.resolve();
    await release.promise;
  });
  await holding.promise;

  const refusals: unknown[] = [];
  let created = 0;
  const create = async (n: number) => {
    try {
      // Their time must not be what a busy machine has none of.
      await clients[n % clients.length]?.createUser(
        { email: `u${n}@example.com`, displayName: "U" },
        { timeoutMs: 60_000 },
      );
      created += 1;
    } catch (error) {
      refusals.push(error);
    }
  };
  const offered = defaultDatabaseOptions.highWater + 200;
  const calls = Array.from({ length: offered }, (_, n) => create(n));
  await until("some are refused", () => refusals.length > 0);
  assert.equal((await health.check({})).status, HealthStatus.SERVING);
  assert.equal(created, 0);
  release.resolve();
  await Promise.all([...calls, holder]);

  assert.equal(created + refusals.length, offered);
  assert.ok(created >= defaultDatabaseOptions.highWater, `${created} of ${offered} were let in`);
  for (const error of refusals) {
    assert.ok(isAppError(error, "DATABASE_BUSY"), String(error));
    assert.equal(error.kind, "exhausted");
    assert.ok((error.retryAfterMs ?? 0) > 0);
  }
  const createdInFlood = created;
  await create(offered);
  assert.equal(created, createdInFlood + 1, "the door is open again");
});
