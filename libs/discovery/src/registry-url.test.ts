import assert from "node:assert/strict";
import { test } from "node:test";
import { openRegistry } from "./open-registry.ts";
import { parseRegistryUrl } from "./registry-url.ts";

test("reads lists of instances, each with its address for an id", () => {
  const url = parseRegistryUrl("static:order=127.0.0.1:50053,[::1]:50054;user=user:50051");
  assert.ok(url.driver === "static");
  assert.deepEqual(
    url.instances.map(({ service, id, address }) => [service, id, address]),
    [
      ["order", "127.0.0.1:50053", "127.0.0.1:50053"],
      ["order", "[::1]:50054", "[::1]:50054"],
      ["user", "user:50051", "user:50051"],
    ],
  );
});

test("reads names to look up, with and without a port, and the server to ask", () => {
  assert.deepEqual(parseRegistryUrl("dns://{service}.shoal.svc.cluster.local:50051"), {
    driver: "dns",
    target: { records: "address", name: "{service}.shoal.svc.cluster.local", port: 50_051 },
    servers: [],
  });
  assert.deepEqual(parseRegistryUrl("dns://order:50053"), {
    driver: "dns",
    target: { records: "address", name: "order", port: 50_053 },
    servers: [],
  });
  assert.deepEqual(parseRegistryUrl("dns://_grpc._tcp.{service}.consul?server=127.0.0.1:8600,[::1]:8600"), {
    driver: "dns",
    target: { records: "srv", name: "_grpc._tcp.{service}.consul" },
    servers: ["127.0.0.1:8600", "[::1]:8600"],
  });
});

test("reads etcd's endpoints and the prefix of its keys", () => {
  assert.deepEqual(parseRegistryUrl("etcd://10.0.0.1:2379,[fd00::1]:2379/shop/eu/"), {
    driver: "etcd",
    endpoints: [
      { host: "10.0.0.1", port: 2_379 },
      { host: "fd00::1", port: 2_379 },
    ],
    prefix: "shop/eu",
    tls: false,
  });
  assert.deepEqual(parseRegistryUrl("etcds://etcd:2379"), {
    driver: "etcd",
    endpoints: [{ host: "etcd", port: 2_379 }],
    prefix: "shoal",
    tls: true,
  });
});

test("reads where the local registry is", () => {
  assert.deepEqual(parseRegistryUrl("local://127.0.0.1:50000"), {
    driver: "local",
    at: { host: "127.0.0.1", port: 50_000 },
  });
});

test("says what is wrong, and which forms there are", () => {
  for (const [bad, expected] of [
    ["", /not the URL of a registry/],
    ["consul://x:1", /not the URL of a registry/],
    ["static:", /"" must be SERVICE=HOST:PORT/],
    ["static:order", /"order" must be SERVICE=HOST:PORT/],
    ["static:order=a:1=b:2", /must be SERVICE=HOST:PORT/],
    ["static:Order=a:1", /"Order" is not a service's name/],
    ["static:order=a", /"a" is not HOST:PORT/],
    ["static:order=a:1,", /"" is not HOST:PORT/],
    ["static:order=a:1;", /"" must be SERVICE=HOST:PORT/],
    ["dns://{service}.local", /neither NAME:PORT nor _PORTNAME\._tcp\.NAME/],
    ["dns://{name}.local:1", /neither NAME:PORT/],
    ["dns://[::1]:1", /neither NAME:PORT/],
    ["dns://order:1?server=dns.local:53", /"dns\.local:53" is not IP:PORT/],
    ["dns://order:1?ttl=5", /takes no option but server/],
    ["etcd://", /"" is not HOST:PORT/],
    ["etcd://a:2379,b", /"b" is not HOST:PORT/],
    ["etcd://a:2379/x y", /"x y" cannot be a prefix/],
    ["etcd://a:2379/x//y", /"x\/\/y" cannot be a prefix/],
    ["local://127.0.0.1", /"127.0.0.1" is not HOST:PORT/],
    ["local://127.0.0.1:99999", /is not HOST:PORT/],
  ] as const) {
    assert.throws(() => parseRegistryUrl(bad), expected, bad);
    assert.throws(() => openRegistry(bad), /expected one of\n {2}static:.*etcd:\/\/HOST:PORT.*local:\/\//s, bad);
  }
});
