import assert from "node:assert/strict";
import { test } from "node:test";
import { gateway, services } from "@shoal/services";
import { databaseUrlOf } from "./launch.ts";
import { anyPorts, serviceEnvironment } from "./service-environment.ts";

test("every service and the registry can be had at any ports", () => {
  assert.deepEqual(Object.keys(anyPorts).toSorted(), [
    "SHOAL_INVENTORY_ADMIN_PORT",
    "SHOAL_INVENTORY_GRPC_PORT",
    "SHOAL_ORDER_ADMIN_PORT",
    "SHOAL_ORDER_GRPC_PORT",
    "SHOAL_REGISTRY_PORT",
    "SHOAL_USER_ADMIN_PORT",
    "SHOAL_USER_GRPC_PORT",
  ]);
  assert.deepEqual([...new Set(Object.values(anyPorts))], ["0"]);
});

test("a service's database is known without a start, and is the one that it is started on", () => {
  const env = { SHOAL_HOME: "/home", SHOAL_USER_DATABASE_URL: "", SHOAL_ORDER_DATABASE_URL: "mysql://there/orders" };
  const options = {
    env,
    dataDirectory: "/home/data",
    adminToken: "t",
    addresses: new Map(),
    registryUrl: "local://there:1",
  };
  for (const [name, url] of [
    ["user", "sqlite:/home/data/user.db"],
    ["order", "mysql://there/orders"],
  ] as const) {
    const spec = services.find((service) => service.name === name) ?? assert.fail(name);
    assert.equal(databaseUrlOf(name, env), url);
    assert.equal(serviceEnvironment(spec, 1, options)[`SHOAL_${name.toUpperCase()}_DATABASE_URL`], url);
  }
});

test("a service without state gets no database, and the addresses of those it calls", () => {
  const env = serviceEnvironment(gateway, 1, {
    env: {},
    dataDirectory: "/home/data",
    adminToken: "t",
    addresses: new Map(),
    registryUrl: "local://there:1",
  });
  assert.deepEqual(env, {
    SHOAL_GATEWAY_GRPC_PORT: "50054",
    SHOAL_GATEWAY_REGISTRY: "local://there:1",
    SHOAL_GATEWAY_ADMIN_TOKEN: "t",
    SHOAL_GATEWAY_USER_ADDRESS: "shoal:///user",
    SHOAL_GATEWAY_INVENTORY_ADDRESS: "shoal:///inventory",
    SHOAL_GATEWAY_ORDER_ADDRESS: "shoal:///order",
  });
});
