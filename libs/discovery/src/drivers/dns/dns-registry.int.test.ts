import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type DnsRecord, type DnsServer, startDnsServer, until } from "@shoal/testkit";
import { parseAddress } from "../../address.ts";
import { Recorder } from "../../recorder.contract.ts";
import { type RegistryDriver, testChanging, testWatching } from "../../registry.contract.ts";
import type { Instance, Registry } from "../../registry.ts";
import { parseRegistryUrl } from "../../registry-url.ts";
import { createDnsRegistry } from "./dns-registry.ts";

const ttl = 0;

/** A registry that asks this server, and often. */
function open(t: TestContext, server: DnsServer, name: string): Registry {
  const url = parseRegistryUrl(`dns://${name}?server=${server.address}`);
  assert.ok(url.driver === "dns");
  const { target, servers } = url;
  const registry = createDnsRegistry({ target, servers, minIntervalMs: 10, maxIntervalMs: 50, timeoutMs: 200 });
  t.after(() => registry.close());
  return registry;
}

/** The names that DNS has of instances: of each service, and of each host. */
type Zone = Map<string, DnsRecord[]>;

function addressZone(instances: readonly Instance[]): Zone {
  const zone: Zone = new Map();
  for (const { service, address } of instances) {
    const records = zone.get(`${service}.test`) ?? [];
    zone.set(`${service}.test`, [...records, { type: "A", address: parseAddress(address)?.host ?? "", ttl }]);
  }
  return zone;
}

function srvZone(instances: readonly Instance[]): Zone {
  const zone: Zone = new Map();
  for (const [index, { service, address }] of instances.entries()) {
    const { host, port } = parseAddress(address) ?? assert.fail(address);
    const [name, target] = [`_grpc._tcp.${service}.test`, `pod-${index}.${service}.test`];
    const records = zone.get(name) ?? [];
    zone.set(name, [...records, { type: "SRV", target, port, priority: 0, weight: 10, ttl }]);
    zone.set(target, [{ type: "A", address: host, ttl }]);
  }
  return zone;
}

for (const [kind, name, zoneOf] of [
  ["dns (A)", "{service}.test:50053", addressZone],
  ["dns (SRV)", "_grpc._tcp.{service}.test", srvZone],
] as const) {
  const driver: RegistryDriver = {
    name: kind,
    options: {},
    carriesAll: false,
    async open(t, instances) {
      const server = await startDnsServer(t);
      let zone: Zone = new Map();
      const change = async (wanted: readonly Instance[]) => {
        for (const gone of zone.keys()) server.set(gone, []);
        zone = zoneOf(wanted);
        for (const [each, records] of zone) server.set(each, records);
      };
      await change(instances);
      return { url: `dns://${name}?server=${server.address}`, connect: () => open(t, server, name), change };
    },
  };
  testWatching(driver);
  testChanging(driver);
}

const a: DnsRecord = { type: "A", address: "10.0.0.1", ttl };
const aaaa: DnsRecord = { type: "AAAA", address: "fd00::5:1", ttl };

test("AAAA records count where there are no A records, in brackets", async (t) => {
  const server = await startDnsServer(t);
  server.set("order.test", [aaaa]);
  const recorder = new Recorder();
  open(t, server, "{service}.test:50053").watch("order", recorder);
  await recorder.untilAddresses("[fd00::5:1]:50053");
  server.set("order.test", [aaaa, a]);
  await recorder.untilAddresses("10.0.0.1:50053");
});

test("of SRV records those of the first priority count, and their weights are shares of the largest", async (t) => {
  const server = await startDnsServer(t);
  const srv = (target: string, priority: number, weight: number): DnsRecord => {
    return { type: "SRV", target, port: 7_000, priority, weight, ttl };
  };
  server.set("_grpc._tcp.order.test", [
    srv("heavy.test", 10, 400),
    srv("light.test", 10, 100),
    srv("none.test", 10, 0),
    srv("spare.test", 20, 400),
    srv("unknown.test", 10, 100),
  ]);
  for (const [index, name] of ["heavy", "light", "none", "spare"].entries())
    server.set(`${name}.test`, [{ ...a, address: `10.0.0.${index + 1}` }]);
  const recorder = new Recorder();
  open(t, server, "_grpc._tcp.{service}.test").watch("order", recorder);
  await recorder.untilAddresses("10.0.0.1:7000", "10.0.0.2:7000", "10.0.0.3:7000");
  assert.deepEqual(recorder.latest?.map(({ address, weight }) => [address, weight]).sort(), [
    ["10.0.0.1:7000", 100],
    ["10.0.0.2:7000", 25],
    ["10.0.0.3:7000", 1],
  ]);
});

for (const [what, answer, expected] of [
  ["fails", "fails", /dns:\/\/order\.test cannot be used now: .*ESERVFAIL/],
  ["is silent", "silent", /dns:\/\/order\.test cannot be used now: .*ETIMEOUT/],
] as const)
  test(`while a server ${what} what is known stands, and the watch goes on by itself`, async (t) => {
    const server = await startDnsServer(t);
    server.set("order.test", [a]);
    const recorder = new Recorder();
    open(t, server, "{service}.test:50053").watch("order", recorder);
    await recorder.untilAddresses("10.0.0.1:50053");
    server.set("order.test", answer);
    await until("told", () => recorder.errors.length > 0);
    assert.match(recorder.errors[0]?.message ?? "", expected);
    assert.deepEqual(recorder.addresses, ["10.0.0.1:50053"]);
    server.set("order.test", [{ ...a, address: "10.0.0.2" }]);
    await recorder.untilAddresses("10.0.0.2:50053");
  });

test("a TTL is kept to: a name that is good for long is not asked for again", async (t) => {
  const server = await startDnsServer(t);
  server.set("order.test", [{ ...a, ttl: 3_600 }]);
  server.set("user.test", [{ ...a, ttl: 0 }]);
  const target = { records: "address", name: "{service}.test", port: 1 } as const;
  const servers = [server.address];
  const registry = createDnsRegistry({ target, servers, minIntervalMs: 10, maxIntervalMs: 3_600_000 });
  t.after(() => registry.close());
  const recorder = new Recorder();
  registry.watch("order", recorder);
  await recorder.untilAddresses("10.0.0.1:1");
  const asked = server.questions;
  assert.equal(asked, 2, "once for each kind of address");
  registry.watch("user", new Recorder());
  await until("the other name has been asked for again and again", () => server.questions > asked + 10);
  server.set("order.test", []);
  const late = new Recorder();
  registry.watch("order", late);
  await late.untilAddresses("10.0.0.1:1");
});
