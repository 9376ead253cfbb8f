import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ServiceSpec } from "@shoal/services";
import { temporaryDirectory, until } from "@shoal/testkit";
import { type Launched, type LaunchOptions, launch } from "./launch.ts";
import { LaunchError } from "./launch-error.ts";
import { anyPorts } from "./service-environment.ts";
import type { ServiceEnd } from "./service-process.ts";

test("starts each service once those that it calls are ready, and tells it where they are found", async (t) => {
  const { home, launched } = await start(t);
  const user = lines(home, "user").find(({ msg }) => msg === "ready");
  const order = lines(home, "order").find(({ msg }) => msg === "ready");
  assert.ok(order.at >= user.at);
  assert.deepEqual(order.others, {
    SHOAL_ORDER_USER_ADDRESS: "shoal:///user",
    SHOAL_ORDER_INVENTORY_ADDRESS: "shoal:///inventory",
  });
  assert.equal(order.registry, launched.registryUrl);
  for (const { grpcAddress, adminAddress } of launched.services) {
    await assertListens(grpcAddress);
    await assertListens(adminAddress);
  }
});

test("without a registry a service gets the addresses of those that it calls", async (t) => {
  const { home, launched } = await start(t, { env: { SHOAL_ORDER_REGISTRY: "none" } });
  const order = lines(home, "order").find(({ msg }) => msg === "ready");
  assert.deepEqual(order.others, {
    SHOAL_ORDER_USER_ADDRESS: launched.service("user").grpcAddress,
    SHOAL_ORDER_INVENTORY_ADDRESS: launched.service("inventory").grpcAddress,
  });
});

test("several instances of a service: the first has its port, the others any, and all stop", async (t) => {
  const scale = new Map([
    ["inventory", 2],
    ["order", 3],
  ]);
  const { home, launched } = await start(t, { scale });
  assert.deepEqual(
    launched.services.map(({ name, service }) => [name, service]),
    [
      ["user", "user"],
      ["inventory", "inventory"],
      ["inventory-2", "inventory"],
      ["order", "order"],
      ["order-2", "order"],
      ["order-3", "order"],
    ],
  );
  for (const { grpcAddress } of launched.services) await assertListens(grpcAddress);
  assert.equal(new Set(launched.services.map(({ grpcAddress }) => grpcAddress)).size, 6);
  const pids = launched.services.map(({ pid }) => pid);
  await launched.stop();
  for (const pid of pids) assert.throws(() => process.kill(pid, 0));
  assert.ok(lines(home, "order-3").some(({ msg }) => msg === "stopped"));
});

test("a registry's port that is in use is named with the setting that changes it", async (t) => {
  const { launched } = await start(t);
  const port = new URL(launched.registryUrl).port;
  await assert.rejects(
    start(t, { env: { SHOAL_REGISTRY_PORT: port } }),
    /in use by another program; .*SHOAL_REGISTRY_PORT/,
  );
  await assert.rejects(start(t, { env: { SHOAL_REGISTRY_PORT: "x" } }), /must be a port from 0 to 65535, not "x"/);
});

test("what the caller's environment sets wins, and an empty value counts as not set", async (t) => {
  const home = await temporaryDirectory(t);
  const elsewhere = join(home, "elsewhere");
  const { launched } = await start(t, {
    home,
    env: {
      SHOAL_USER_DATABASE_URL: `sqlite:${elsewhere}`,
      SHOAL_INVENTORY_DATABASE_URL: "",
      SHOAL_ORDER_USER_ADDRESS: "users.example:1",
    },
  });
  assert.equal(launched.services.length, 3);
  assert.equal(readFileSync(elsewhere, "utf8"), "1");
  assert.equal(readFileSync(join(home, "data/inventory.db"), "utf8"), "1");
  const order = lines(home, "order").find(({ msg }) => msg === "ready");
  assert.equal(order.others.SHOAL_ORDER_USER_ADDRESS, "users.example:1");
});

test("data outlives a restart and not a fresh start; the log of the run before is kept", async (t) => {
  const home = await temporaryDirectory(t);
  for (const [fresh, starts] of [
    [false, 1],
    [false, 2],
    [true, 1],
  ] as const) {
    const { launched } = await start(t, { home, fresh });
    assert.equal(lines(home, "user").find(({ msg }) => msg === "ready").starts, starts);
    await launched.stop();
  }
  assert.equal(lines(home, "user.previous").find(({ msg }) => msg === "ready").starts, 2);
});

test("instances that may listen anywhere get ports that the system gives to nobody else while they are away", async (t) => {
  const { launched } = await start(t, { scale: new Map([["order", 2]]), faults: true });
  const addresses = launched.services.flatMap(({ grpcAddress, adminAddress }) => [grpcAddress, adminAddress]);
  assert.equal(new Set(addresses).size, 8);
  for (const address of addresses) assert.ok(Number(address.split(":")[1]) < 32_000, address);
});

test("stops a service before those that it calls, and all end", async (t) => {
  const { home, launched } = await start(t);
  const pids = launched.services.map(({ pid }) => pid);
  await launched.stop();
  await launched.stop();
  const orderStopped = lines(home, "order").find(({ msg }) => msg === "stopped").at;
  for (const name of ["user", "inventory"])
    assert.ok(lines(home, name).find(({ msg }) => msg === "stopping").at >= orderStopped);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0));
});

test("a service that does not stop in time is ended", async (t) => {
  const warnings: string[] = [];
  const { launched } = await start(t, {
    env: { FIXTURE_ORDER: "never stops", SHOAL_ORDER_DRAIN_TIMEOUT_MS: "0" },
    onWarning: (service, { message }) => warnings.push(`${service}: ${message}`),
  });
  await launched.stop();
  assert.deepEqual(warnings, ["order: did not stop in time and was ended"]);
});

test("a service that refuses to start is named with its log; the others are stopped", async (t) => {
  const home = await temporaryDirectory(t);
  const warnings: string[] = [];
  const starting = start(t, {
    home,
    env: { FIXTURE_INVENTORY: "refuses", SHOAL_INVENTORY_GRPC_PORT: "12345" },
    onWarning: (service, { level, message }) => warnings.push(`${service} ${level} ${message}`),
  });
  await assert.rejects(starting, (error) => {
    assert.ok(error instanceof LaunchError);
    assert.equal(error.message, `inventory could not start: exit code 1. Its log: ${join(home, "logs/inventory.log")}`);
    return true;
  });
  assert.deepEqual(warnings, ["inventory fatal port 12345 is in use by another program"]);
  // Nothing is left that holds the folder.
  await start(t, { home });
});

test("a service that crashes while it starts is named with what it said last", async (t) => {
  await assert.rejects(
    start(t, { env: { FIXTURE_ORDER: "crashes" } }),
    /^LaunchError: order could not start: .*log[\s\S]*free lunch/,
  );
});

test("warnings in a log are told with their cause", async (t) => {
  const warnings: string[] = [];
  const { launched } = await start(t, {
    env: { FIXTURE_USER: "warns" },
    onWarning: (service, { level, message }) => warnings.push(`${service} ${level} ${message}`),
  });
  await launched.stop();
  assert.deepEqual(warnings, ["user warn mind the gap: it is wide"]);
});

test("a service that dies is told with its signal, and can be started again where it was", async (t) => {
  const death = Promise.withResolvers<ServiceEnd>();
  const { launched } = await start(t, { onDeath: death.resolve });
  const before = launched.service("inventory");
  process.kill(before.pid, "SIGKILL");
  const { service, code, signal } = await death.promise;
  assert.deepEqual({ service, code, signal }, { service: "inventory", code: null, signal: "SIGKILL" });
  const refused = launched.restart("inventory", { FIXTURE_INVENTORY: "refuses" });
  await assert.rejects(refused, LaunchError, "its environment counts for this start");
  const after = await launched.restart("inventory");
  assert.deepEqual(
    { grpc: after.grpcAddress, admin: after.adminAddress },
    { grpc: before.grpcAddress, admin: before.adminAddress },
  );
  await assertListens(after.grpcAddress);
});

test("an instance that does not become ready in time is ended, and can be started again", async (t) => {
  const death = Promise.withResolvers<void>();
  const { launched } = await start(t, { readyTimeoutMs: 5_000, onDeath: () => death.resolve() });
  const before = launched.service("user");
  process.kill(before.pid, "SIGKILL");
  await death.promise;
  const silent = launched.restart("user", { FIXTURE_USER: "never ready" });
  await assert.rejects(silent, /^LaunchError: user has not become ready within 5 seconds/);
  assert.equal((await launched.restart("user")).grpcAddress, before.grpcAddress);
});

test("with faults each instance is reached through a proxy, at the address that it would have, also after a restart", async (t) => {
  const death = Promise.withResolvers<void>();
  const scale = new Map([["order", 2]]);
  const { home, launched } = await start(t, { scale, faults: true, onDeath: () => death.resolve() });
  for (const { name, grpcAddress } of launched.services) {
    const said = lines(home, name).find(({ msg }) => msg === "ready");
    assert.equal(said.advertise, grpcAddress);
    assert.notEqual(said.grpcPort, Number(grpcAddress.split(":")[1]));
    await assertListens(grpcAddress);
  }
  const before = launched.service("order-2");
  const control = `http://${launched.faultControl("order-2")}/faults`;
  const rules = [{ fault: { blackHole: true } }];
  await fetch(control, { method: "PUT", body: JSON.stringify(rules) });
  process.kill(before.pid, "SIGKILL");
  await death.promise;
  const after = await launched.restart("order-2");
  assert.equal(after.grpcAddress, before.grpcAddress);
  assert.deepEqual(await (await fetch(control)).json(), rules);
  assert.deepEqual(await (await fetch(`http://${launched.faultControl("order")}/faults`)).json(), []);
  assert.throws(() => launched.faultControl("order-3"), /there is no fault proxy before order-3/);
  await launched.stop();
  await assert.rejects(fetch(control));
  assert.equal(existsSync(join(home, "faults.json")), false);
});

test("a fault proxy that dies is started again where it was, and leads to its instance", async (t) => {
  const warnings: string[] = [];
  const scale = new Map([["order", 2]]);
  const { home, launched } = await start(t, {
    scale,
    faults: true,
    onWarning: (name, { level, message }) => warnings.push(`${name} ${level} ${message}`),
  });
  const { grpcAddress } = launched.service("order-2");
  const before = launched.faultControl("order-2");
  process.kill(pidOf(home, "order-2-faults"), "SIGKILL");
  await until("it runs again", () => isControlled(launched, "order-2", before));
  assert.equal(launched.service("order-2").grpcAddress, grpcAddress);
  await assertLeadsToInstance(grpcAddress);
  assert.match(warnings.join("\n"), /^order-2-faults error the fault proxy before order-2 has ended: .*$/);
  assert.match((await faults(home, "order-2", "--latency", "1")).said, /^order-2: \{"fault":\{"latencyMs":1\}\}/m);
  await launched.stop();
  assert.equal(existsSync(join(home, "faults.json")), false);
});

test("a fault proxy that dies together with its instance has its old address when both are back", async (t) => {
  const death = Promise.withResolvers<void>();
  const scale = new Map([["order", 2]]);
  const { home, launched } = await start(t, { scale, faults: true, onDeath: () => death.resolve() });
  const before = launched.service("order-2");
  process.kill(pidOf(home, "order-2-faults"), "SIGKILL");
  process.kill(before.pid, "SIGKILL");
  await death.promise;
  const after = await launched.restart("order-2");
  assert.equal(after.grpcAddress, before.grpcAddress);
  await assertLeadsToInstance(after.grpcAddress);
});

test("a fault proxy that dies at once again and again is left out, until its instance is started again", async (t) => {
  const warnings: string[] = [];
  const death = Promise.withResolvers<void>();
  const { home, launched } = await start(t, {
    faults: true,
    onDeath: () => death.resolve(),
    onWarning: (name, { message }) => warnings.push(`${name} ${message}`),
  });
  const { pid, grpcAddress } = launched.service("order");
  for (let deaths = 1; deaths <= 3; deaths += 1) {
    const before = launched.faultControl("order");
    process.kill(pidOf(home, "order-faults"), "SIGKILL");
    await until("it is noticed", () => warnings.length === deaths);
    if (deaths < 3) await until("it runs again", () => isControlled(launched, "order", before));
  }
  assert.match(warnings.at(-1) ?? "", /^order-faults .*order is out of reach until it is started again$/);
  assert.throws(() => launched.faultControl("order"), /there is no fault proxy before order/);
  process.kill(pid, "SIGKILL");
  await death.promise;
  const after = await launched.restart("order");
  assert.equal(after.grpcAddress, grpcAddress);
  await assertLeadsToInstance(grpcAddress);
});

test("a fault proxy takes a service's port, and one that it cannot have is named", async (t) => {
  const { launched: first } = await start(t, { faults: true });
  const [, port = ""] = first.service("order").grpcAddress.split(":");
  const warnings: string[] = [];
  const second = start(t, {
    faults: true,
    env: { SHOAL_ORDER_GRPC_PORT: port },
    onWarning: (service, { level, message }) => warnings.push(`${service} ${level} ${message}`),
  });
  await assert.rejects(second, /order-faults could not start: exit code 1/);
  assert.deepEqual(warnings, [`order-faults fatal port ${port} is in use by another program`]);
});

test("npm run faults sets, shows and clears the faults of one instance or all", async (t) => {
  const { home, launched } = await start(t, { faults: true });
  assert.ok(launched.faultControl("user"));
  assert.deepEqual(await faults(home), {
    code: 0,
    said: ["user", "inventory", "order"].map((name) => `${name}: no faults (0 struck so far)\n`).join(""),
  });
  const slowed = await faults(home, "order", "--latency", "300", "--method", "CreateOrder");
  assert.match(slowed.said, /^order: \{"method":"CreateOrder","fault":\{"latencyMs":300\}\} \(0 struck so far\)$/m);
  const added = await faults(home, "order", "--code", "ABORTED", "--share", "0.5", "--add");
  assert.match(added.said, /^order: .*"latencyMs":300\}\} \{"share":0.5,"fault":\{"code":"ABORTED"\}\} /m);
  assert.equal((await faults(home, "all", "--off")).said.match(/no faults/g)?.length, 3);
  assert.deepEqual(await faults(home, "ordr", "--off"), {
    code: 1,
    said: "There is no instance ordr; there are user, inventory, order.\n",
  });
  const wrong = await faults(home, "order", "--code", "NONE");
  assert.equal(wrong.code, 1);
  assert.match(wrong.said, /^faults\[0\]\.fault\.code must be one of CANCELLED, .* not "NONE"$/m);
  assert.equal((await faults(home, "order")).code, 2);
  await launched.stop();
  assert.deepEqual(await faults(home), { code: 1, said: "Nothing runs here with faults: npm start -- --faults\n" });
});

test("a second launcher in the same folder is refused, and the data of the first is left alone", async (t) => {
  const { home } = await start(t);
  await assert.rejects(start(t, { home, fresh: true }), (error) => {
    assert.match(String(error), new RegExp(`already runs here \\(process ${process.pid}, data in ${home}\\)`));
    return true;
  });
  assert.equal(readFileSync(join(home, "data/user.db"), "utf8"), "1");
});

/** That HTTP/2 is spoken at an address: a proxy alone takes connections, and says nothing. */
async function assertLeadsToInstance(address: string): Promise<void> {
  await until(`${address} leads to its instance`, async () => {
    const client = connectHttp2(`http://${address}`).on("error", () => {});
    try {
      await once(client, "remoteSettings", { signal: AbortSignal.timeout(1_000) });
      return true;
    } finally {
      client.destroy();
    }
  });
}

/** The process that the folder's launcher has noted under a name. */
function pidOf(home: string, name: string): number {
  const { services } = JSON.parse(readFileSync(join(home, "launcher.json"), "utf8")) as {
    readonly services: readonly { readonly name: string; readonly pid: number }[];
  };
  return services.find((service) => service.name === name)?.pid ?? assert.fail(`${name} is not noted`);
}

/** Whether there is a fault proxy before an instance, and another one than that which was controlled at `before`. */
function isControlled(launched: Launched, name: string, before: string): boolean {
  return launched.faultControl(name) !== before;
}

/** Runs `npm run faults -- <args>` for the services in `home`. */
async function faults(home: string, ...args: string[]): Promise<{ readonly code: number; readonly said: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "faults.ts"), ...args], {
    env: { ...process.env, SHOAL_HOME: home },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
  const [code] = (await once(child, "close")) as [number];
  return { code, said };
}

/** Starts three fixture services on free ports; they are stopped after the test. */
async function start(t: TestContext, options: LaunchOptions = {}): Promise<{ home: string; launched: Launched }> {
  const home = options.home ?? (await temporaryDirectory(t));
  const folder = await temporaryDirectory(t);
  const launched = await launch({
    ...options,
    home,
    services: [fixture(folder, "user"), fixture(folder, "inventory"), fixture(folder, "order", "user", "inventory")],
    env: { PATH: process.env["PATH"], ...anyPorts, ...options.env },
  });
  t.after(() => launched.stop());
  return { home, launched };
}

function fixture(folder: string, name: string, ...calls: string[]): ServiceSpec {
  const entry = join(folder, `${name}.ts`);
  symlinkSync(join(import.meta.dirname, "fixture-service.ts"), entry);
  return { name, entry, grpcPort: 1, calls, storage: "sql" };
}

// biome-ignore lint/suspicious/noExplicitAny: what the fixture wrote, and the assertions say what it must be.
function lines(home: string, name: string): any[] {
  const text = readFileSync(join(home, "logs", `${name}.log`), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** A proxy resets what its instance does not take, as on a busy machine: then it is asked again. */
async function assertListens(address: string): Promise<void> {
  const { hostname, port } = new URL(`tcp://${address}`);
  await until(`${address} listens`, async () => {
    const socket = connect(Number(port), hostname);
    try {
      await once(socket, "connect");
      return true;
    } finally {
      socket.destroy();
    }
  });
}
