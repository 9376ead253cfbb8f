import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { until } from "@shoal/testkit";
import { parseAddress } from "../../address.ts";
import { announcer } from "../../announcer.contract.ts";
import { bareInstance } from "../../instance.ts";
import { Recorder } from "../../recorder.contract.ts";
import { type RegistryDriver, testAnnouncing, testChanging, testWatching } from "../../registry.contract.ts";
import type { Registry } from "../../registry.ts";
import { createLocalRegistry, type LocalRegistryOptions } from "./local-registry.ts";
import { createLocalRegistryServer } from "./local-registry-server.ts";

function open(t: TestContext, address: string, options: Partial<LocalRegistryOptions> = {}): Registry {
  const at = parseAddress(address);
  assert.ok(at);
  const registry = createLocalRegistry(at, options);
  t.after(() => registry.close());
  return registry;
}

const driver: RegistryDriver = {
  name: "local",
  options: {},
  carriesAll: true,
  async open(t, instances) {
    const server = await createLocalRegistryServer();
    const change = announcer(open(t, server.address));
    await change(instances);
    t.after(() => server.close());
    return { url: `local://${server.address}`, connect: () => open(t, server.address), change };
  },
};

testWatching(driver);
testChanging(driver);
testAnnouncing(driver);

const one = bareInstance("order", "127.0.0.1:50053");
const two = bareInstance("order", "127.0.0.2:50053");

test("a process that is killed with -9 is out at once", async (t) => {
  const server = await createLocalRegistryServer();
  t.after(() => server.close());
  const recorder = new Recorder();
  open(t, server.address).watch("order", recorder);
  const args = ["announce", `local://${server.address}`, one.address];
  const child = fork(join(import.meta.dirname, "../../fixture-registry-client.ts"), args, { execArgv: [] });
  t.after(() => child.kill("SIGKILL"));
  await once(child, "message");
  await recorder.untilAddresses(one.address);
  child.kill("SIGKILL");
  await recorder.untilAddressesWithin(1_000);
});

test("while the registry is away watchers keep what they know; when it is back all announce themselves again", async (t) => {
  const first = await createLocalRegistryServer();
  const registry = open(t, first.address);
  await registry.register(one);
  const recorder = new Recorder();
  const watcher = open(t, first.address);
  watcher.watch("order", recorder);
  await recorder.untilAddresses(one.address);
  await first.close();
  await until("told that it is away", () => recorder.errors[0]?.message.includes(first.address));
  assert.deepEqual(recorder.addresses, [one.address]);

  // Announced and watched while it is away, it is so once it can be.
  await assert.rejects(registry.register(two), { reason: "REGISTRY_UNAVAILABLE" });
  const late = new Recorder();
  watcher.watch("user", late);
  await until("the late watcher hears it too", () => late.errors.length > 0);

  const at = parseAddress(first.address);
  const second = await createLocalRegistryServer({ ...at });
  t.after(() => second.close());
  await recorder.untilAddresses(one.address, two.address);
  await late.untilAddresses();
});

test("what is deregistered while the registry is away does not come back with it", async (t) => {
  const first = await createLocalRegistryServer();
  const registry = open(t, first.address);
  await Promise.all([registry.register(one), registry.register(two)]);
  await first.close();
  await registry.deregister(one);
  const second = await createLocalRegistryServer({ ...parseAddress(first.address) });
  t.after(() => second.close());
  const recorder = new Recorder();
  open(t, second.address).watch("order", recorder);
  await recorder.untilAddresses(two.address);
  assert.ok((recorder.addresses?.length ?? 0) <= 1);
});

test("a registry that accepts and stays silent is given up in time", async (t) => {
  const silent = createServer().listen(0, "127.0.0.1");
  const sockets: Socket[] = [];
  silent.on("connection", (socket) => sockets.push(socket));
  t.after(() => {
    silent.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(silent, "listening");
  const address = silent.address();
  assert.ok(address !== null && typeof address === "object");
  const registry = open(t, `127.0.0.1:${address.port}`, { timeoutMs: 100 });
  await assert.rejects(registry.register(one), /cannot be used now: it does not answer/);
});

/** Speaks with the server as no client of ours does; answers all that it says until it ends the connection. */
async function speak(address: string, text: string): Promise<string> {
  const socket = connect({ ...parseAddress(address), port: parseAddress(address)?.port ?? 0 });
  let heard = "";
  socket.setEncoding("utf8").on("data", (data: string) => {
    heard += data;
  });
  socket.on("error", () => {});
  socket.write(text);
  await once(socket, "close");
  return heard;
}

test("the server ends a connection that says what is no request, or too long a one", async (t) => {
  const server = await createLocalRegistryServer();
  t.after(() => server.close());
  for (const bad of [
    "GET / HTTP/1.1\r\n\r\n",
    "null\n",
    "[]\n",
    '{"do":"register"}\n',
    '{"do":"delete","n":1}\n',
    '{"do":"watch","n":1,"service":"__proto__"}\n',
    '{"do":"watch","n":1.5,"service":"order"}\n',
    `{"do":"register","n":1,"instance":${JSON.stringify({ ...one, weight: -1 })}}\n`,
    "x".repeat(5_000),
  ])
    assert.equal(await speak(server.address, bad), "", bad.slice(0, 60));
  const recorder = new Recorder();
  open(t, server.address).watch("order", recorder);
  await recorder.untilAddresses();
});

test("the server bounds what a connection may announce, and says so", async (t) => {
  const server = await createLocalRegistryServer();
  t.after(() => server.close());
  const registry = open(t, server.address);
  const many = Array.from({ length: 100 }, (_, index) => bareInstance("order", `127.0.0.1:${index + 1}`));
  await Promise.all(many.map((instance) => registry.register(instance)));
  await assert.rejects(registry.register(two), /refuses: one connection may announce 100 instances/);
  await registry.register(many[0] ?? one);
});

test("an announcement goes over to the connection that made it last", async (t) => {
  const server = await createLocalRegistryServer();
  t.after(() => server.close());
  const [before, after] = [open(t, server.address), open(t, server.address)];
  await before.register(one);
  await after.register(one);
  const recorder = new Recorder();
  open(t, server.address).watch("order", recorder);
  await recorder.untilAddresses(one.address);
  await before.close();
  await after.register(two);
  await recorder.untilAddresses(one.address, two.address);
});
