import assert from "node:assert/strict";
import { test } from "node:test";
import { services } from "@shoal/services";
import { databaseUrlOf } from "./launch.ts";
import { anyPorts, serviceEnvironment, settingsOfNobody } from "./service-environment.ts";

test("every service and the registry can be had at any ports", () => {
  const names = services.flatMap(({ name }) =>
    ["ADMIN", "GRPC"].map((kind) => `SHOAL_${name.toUpperCase()}_${kind}_PORT`),
  );
  assert.deepEqual(Object.keys(anyPorts).toSorted(), [...names, "SHOAL_REGISTRY_PORT"].toSorted());
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
  const door = { name: "door", entry: "", grpcPort: 50_000, calls: ["user", "order"], storage: "none" } as const;
  const env = serviceEnvironment(door, 1, {
    env: {},
    dataDirectory: "/home/data",
    adminToken: "t",
    addresses: new Map(),
    registryUrl: "local://there:1",
  });
  assert.deepEqual(env, {
    SHOAL_DOOR_GRPC_PORT: "50000",
    SHOAL_DOOR_REGISTRY: "local://there:1",
    SHOAL_DOOR_ADMIN_TOKEN: "t",
    SHOAL_DOOR_USER_ADDRESS: "shoal:///user",
    SHOAL_DOOR_ORDER_ADDRESS: "shoal:///order",
  });
});

test("a setting of a service that there is not is told of, and none that something reads", () => {
  const env = {
    SHOAL_ORDR_GRPC_PORT: "6000",
    SHOAL_ORDER_GRPC_PORT: "6000",
    SHOAL_GATEWAY_HOST: "0.0.0.0",
    SHOAL_REGISTRY_PORT: "0",
    SHOAL_TEST_ETCD: "absent",
    SHOAL_HOME: "/home",
    HOME: "/root",
  };
  assert.deepEqual(settingsOfNobody(env), ["SHOAL_ORDR_GRPC_PORT"]);
});
