import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { readSettings } from "@shoal/config";
import { createLocalRegistryServer, type Instance, openRegistry } from "@shoal/discovery";
import { createLogger } from "@shoal/telemetry";
import { until } from "@shoal/testkit";
import { parseAdvertised } from "./advertised.ts";
import { Announcement, announcementOf } from "./announcement.ts";
import { serviceSettings } from "./service-settings.ts";
import { startService } from "./start-service.ts";

const settingsWith = (env: Readonly<Record<string, string>>) =>
  readSettings("SHOAL_FIXTURE_", serviceSettings("fixture", 0), { SHOAL_FIXTURE_ADMIN_PORT: "0", ...env });

async function startRegistry(t: TestContext) {
  const server = await createLocalRegistryServer();
  const url = `local://${server.address}`;
  const registry = openRegistry(url, { holdMs: 0 });
  const seen: (readonly Instance[])[] = [];
  registry.watch("fixture", { onInstances: (instances) => seen.push(instances), onError: () => {} });
  t.after(async () => {
    await registry.close();
    await server.close();
  });
  const untilSeen = (holds: (instances: readonly Instance[]) => boolean) =>
    until(`the registry tells of instances as ${holds}`, () => {
      const instances = seen.at(-1) ?? [];
      return holds(instances) && instances;
    });
  return { server, url, untilSeen };
}

const definition = { name: "fixture", build: async () => ({ services: [] }) };

test("a service is announced with what its settings say once it takes calls, and no more once it stops", async (t) => {
  const { url, untilSeen } = await startRegistry(t);
  const before = Date.now();
  const settings = settingsWith({
    SHOAL_FIXTURE_REGISTRY: url,
    SHOAL_FIXTURE_ZONE: "north",
    SHOAL_FIXTURE_VERSION: "1.2.3",
    SHOAL_FIXTURE_WEIGHT: "7",
  });
  const service = await startService(definition, settings, createLogger("fixture", "fatal"));
  const [instance] = await untilSeen(({ length }) => length === 1);
  assert.ok(instance);
  const { id, startedAt, ...rest } = instance;
  const address = `127.0.0.1:${service.grpcPort}`;
  assert.deepEqual(rest, { service: "fixture", address, zone: "north", version: "1.2.3", weight: 7 });
  assert.notEqual(id, "");
  assert.ok(startedAt >= before && startedAt <= Date.now());
  await service.stop();
  await untilSeen(({ length }) => length === 0);
});

test("a registry that is away keeps no service from serving, and says so", async (t) => {
  const { url, server } = await startRegistry(t);
  await server.close();
  const lines: string[] = [];
  const log = createLogger("fixture", "warn", { write: (line) => lines.push(line) });
  const service = await startService(definition, settingsWith({ SHOAL_FIXTURE_REGISTRY: url }), log);
  assert.match(lines.join(""), /the registry cannot be reached; it is tried again/);
  assert.equal((await fetch(`http://127.0.0.1:${service.adminPort}/readyz`)).status, 200);
  await service.stop();
});

test("a service that cannot tell where others reach it serves, and is announced once it can", async (t) => {
  const { url, untilSeen } = await startRegistry(t);
  const settings = settingsWith({ SHOAL_FIXTURE_REGISTRY: url });
  const registry = openRegistry(url);
  t.after(() => registry.close());
  let found = false;
  const describe = async () => {
    if (!found) throw new Error("no way there");
    return await announcementOf("fixture", settings, 5_000);
  };
  const lines: string[] = [];
  const log = createLogger("fixture", "warn", { write: (line) => lines.push(line) });
  const announcement = new Announcement(registry, describe, log);
  await announcement.begin();
  assert.match(lines.join(""), /no way there.*this instance cannot be announced; it is tried again/);
  found = true;
  await untilSeen(({ length }) => length === 1);
  await announcement.end();
  await untilSeen(({ length }) => length === 0);
});

test("what is announced is where others reach it: as it is set, or where it listens, or the way to the registry", async () => {
  const registry = "local://127.0.0.1:4321";
  const addressOf = async (env: Readonly<Record<string, string>>) =>
    (await announcementOf("fixture", settingsWith({ SHOAL_FIXTURE_REGISTRY: registry, ...env }), 5_000))?.address;
  assert.equal(await addressOf({}), "127.0.0.1:5000");
  assert.equal(await addressOf({ SHOAL_FIXTURE_HOST: "::1" }), "[::1]:5000");
  assert.equal(await addressOf({ SHOAL_FIXTURE_HOST: "0.0.0.0" }), "127.0.0.1:5000");
  assert.equal(await addressOf({ SHOAL_FIXTURE_ADVERTISE: "order-1.shoal" }), "order-1.shoal:5000");
  assert.equal(await addressOf({ SHOAL_FIXTURE_ADVERTISE: "10.0.0.7:80" }), "10.0.0.7:80");
  assert.equal(await addressOf({ SHOAL_FIXTURE_ADVERTISE: "[fd00::1]:80" }), "[fd00::1]:80");
  for (const none of ["none", "static:user=127.0.0.1:1", "dns://{service}.test:1"])
    assert.equal(await addressOf({ SHOAL_FIXTURE_REGISTRY: none }), undefined);
  const lost = addressOf({ SHOAL_FIXTURE_HOST: "0.0.0.0", SHOAL_FIXTURE_REGISTRY: "etcd://no-such-host.invalid:2379" });
  await assert.rejects(lost, /cannot tell where others reach this instance.*set SHOAL_FIXTURE_ADVERTISE to HOST/);
});

test("a service that is to be looked up in a registry when none is set: the error says what to set", async () => {
  const settings = { ...settingsWith({}), orderAddress: "shoal:///order" };
  const starting = startService(definition, settings, createLogger("fixture", "fatal"));
  await assert.rejects(
    starting,
    /shoal:\/\/\/order is looked up in a registry, and none is set; set SHOAL_FIXTURE_REGISTRY/,
  );
});

test("without a registry, a setting that only looks like a service to look up, or speaks of one, keeps nothing from starting", async () => {
  const labelled = { ...settingsWith({ SHOAL_FIXTURE_VERSION: "shoal:1.2" }), note: "see shoal:///order" };
  const service = await startService(definition, labelled, createLogger("fixture", "fatal"));
  await service.stop();
});

test("settings of discovery that cannot be used are refused with what can", () => {
  for (const value of ["order one", "a:b:c", ":80", "host:0x"])
    assert.throws(() => parseAdvertised(value), /HOST:PORT/);
  assert.throws(
    () => settingsWith({ SHOAL_FIXTURE_REGISTRY: "zookeeper://x" }),
    /SHOAL_FIXTURE_REGISTRY: .*etcd:\/\//s,
  );
  assert.throws(() => settingsWith({ SHOAL_FIXTURE_WEIGHT: "0" }), /SHOAL_FIXTURE_WEIGHT: .*1 to 1000/);
});
