import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { credentials, Client as GrpcClient, Metadata } from "@grpc/grpc-js";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import {
  type BalancedCall,
  balancingPolicies,
  type CallGuard,
  clientBalancing,
  createLocalRegistry,
  createLocalRegistryServer,
  defaultEjectionOptions,
  type Endpoint,
  type Instance,
  loadBalancingConfig,
  openRegistry,
  type Registry,
  type RegistryListener,
  registerLoadBalancer,
  setCallTraits,
} from "@shoal/discovery";
import { AppError, isAppError } from "@shoal/kernel";
import { lastingPort } from "@shoal/testkit";
import { toGrpcStatus } from "../errors.ts";
import { echoing, eventually, startTested, type TestedServer } from "../hardening/tested-server.ts";
import { type HandlerContext, implement } from "../server/handlers.ts";
import { createServer, type ServerOptions } from "../server/server.ts";
import type { Balancing } from "./balancing.ts";
import { type Client, type ClientOptions, createClient } from "./client.ts";
import type { ResilienceEvent } from "./resilience-events.ts";

type Echo = Client<typeof EchoService>;

const parcel = { name: "parcel" };

function start(t: TestContext, count: number, handlers = {}, options: Partial<ServerOptions> = {}) {
  return Promise.all(Array.from({ length: count }, () => startTested(t, handlers, options)));
}

function clientOf(t: TestContext, options: ClientOptions): Echo {
  const client = createClient(EchoService, options);
  t.after(() => client[Symbol.dispose]());
  return client;
}

const addressesOf = (servers: readonly TestedServer[]) =>
  `ipv4:${servers.map(({ port }) => `127.0.0.1:${port}`).join()}`;

const countsOf = (servers: readonly TestedServer[]) => servers.map(({ entered }) => entered.length);

/** Calls until every server has had one: connections are made one after the other. */
async function untilAllServe(client: Echo, servers: readonly TestedServer[]): Promise<void> {
  while (!countsOf(servers).every((count) => count > 0)) {
    const metadata = new Metadata();
    metadata.set("user", String(Math.random()));
    await client.echo({ parcel }, { metadata });
  }
}

for (const policy of balancingPolicies)
  test(`${policy}: every instance gets calls, and one that is gone none`, async (t) => {
    const servers = await start(t, 3);
    const balancing: Balancing =
      policy === "consistent_hash" ? { policy, hashKey: { metadata: "user" } } : { policy, slowStartMs: 0 };
    const client = clientOf(t, { address: addressesOf(servers), balancing });
    await untilAllServe(client, servers);
    const before = countsOf(servers);
    // However its first calls went: one that was slow then is called less for a while.
    for (let call = 0; !countsOf(servers).every((count, index) => count - (before[index] ?? 0) > 20); call += 1) {
      const metadata = new Metadata();
      metadata.set("user", String(call));
      await client.echo({ parcel }, { metadata });
    }
    // A server that drains says so on its connections: no call fails.
    const [gone, ...rest] = servers;
    assert.ok(gone);
    const drained = gone.server.drain(1_000);
    for (let call = 0; call < 100; call += 1) await client.echo({ parcel });
    await drained;
    const last = gone.entered.length;
    const others = countsOf(rest);
    for (let call = 0; call < 50; call += 1) await client.echo({ parcel });
    assert.equal(gone.entered.length, last);
    assert.ok(countsOf(rest).some((count, index) => count > (others[index] ?? 0)));
  });

test("consistent_hash: the same key goes to the same instance, by metadata and by a field of the request", async (t) => {
  const servers = await start(t, 4);
  for (const hashKey of [{ metadata: "user" }, { field: "count" }]) {
    const client = clientOf(t, { address: addressesOf(servers), balancing: { policy: "consistent_hash", hashKey } });
    const call = async (key: number) => {
      const metadata = new Metadata();
      metadata.set("user", String(key));
      const before = countsOf(servers);
      for await (const _ of client.repeat({ count: BigInt(key) }, { metadata }));
      return countsOf(servers).findIndex((count, index) => count > (before[index] ?? 0));
    };
    const used = new Set<number>();
    for (let tries = 0; used.size < 4; tries += 1) {
      assert.ok(tries < 500);
      used.add(await call(tries % 50));
    }
    for (let key = 1; key < 20; key += 1) {
      const first = await call(key);
      for (let again = 0; again < 3; again += 1) assert.equal(await call(key), first, `key ${key}`);
    }
  }
  assert.throws(
    () =>
      createClient(EchoService, { address: "x:1", balancing: { policy: "consistent_hash", hashKey: { field: "no" } } }),
    /no request of shoal.echo.v1.EchoService has a field no/,
  );
});

test("with more instances than a client wants it uses some of them, the same ones each time, and others another client", async (t) => {
  const servers = await start(t, 6);
  const balancing = { policy: "round_robin", subsetAbove: 5, subsetSize: 2 } as const;
  const used = new Set<string>();
  for (const clientId of ["a", "a", "b", "c", "d", "e"]) {
    const client = clientOf(t, { address: addressesOf(servers), balancing: { ...balancing, clientId } });
    const before = countsOf(servers);
    const calledNow = () =>
      countsOf(servers).flatMap((count, index) => (count > (before[index] ?? 0) ? [String(index)] : []));
    while (calledNow().length < 2) await client.echo({ parcel });
    for (let call = 0; call < 20; call += 1) await client.echo({ parcel });
    assert.equal(calledNow().length, 2);
    used.add(`${clientId === "a" ? "a: " : ""}${calledNow().join()}`);
  }
  assert.equal([...used].filter((each) => each.startsWith("a: ")).length, 1, "the same client, the same ones");
  assert.ok(used.size > 2, "others, others");
});

test("a slow instance gets few calls from p2c_ewma, even while none of them has ended", async (t) => {
  const slow = await startTested(t, {
    echo: (_: unknown, { signal }: HandlerContext) => sleep(60_000, {}, { signal }),
  });
  const servers = [slow, ...(await start(t, 2))];
  const client = clientOf(t, { address: addressesOf(servers), balancing: { policy: "p2c_ewma", slowStartMs: 0 } });
  const left = new AbortController();
  t.after(() => left.abort());
  const calls: Promise<unknown>[] = [];
  while (calls.length < 300) {
    const call = client.echo({ parcel }, { signal: left.signal }).catch(() => undefined);
    calls.push(call);
    await Promise.race([call, sleep(5)]);
  }
  assert.ok(slow.entered.length < 15, `${slow.entered.length} of 300`);
});

test("an instance that fails at once attracts no calls, is ejected, and comes back when it is well", async (t) => {
  let ill = true;
  const failing = await startTested(t, {
    echo: async () => {
      if (ill) throw new Error("ill");
      return {};
    },
  });
  const well = await startTested(t, { echo: async (request) => sleep(1, request as object) });
  const balancing = {
    policy: "p2c_ewma",
    slowStartMs: 0,
    ejection: { ...defaultEjectionOptions, minCalls: 5, baseMs: 50, maxMs: 100 },
  } as const;
  const client = clientOf(t, { address: addressesOf([failing, well]), balancing });
  const outcomes: string[] = [];
  const call = () =>
    client.echo({ parcel }).then(
      () => outcomes.push("well"),
      () => outcomes.push("failed"),
    );
  while (well.entered.length < 200) await call();
  assert.ok(failing.entered.length < 40, `${failing.entered.length} beside 200`);
  ill = false;
  const before = failing.entered.length;
  await eventually(() => {
    void call();
    return failing.entered.length > before + 50;
  });
});

/** Passes connections on, and counts those that are open. */
async function startDoor(t: TestContext, to: number): Promise<{ port: number; connections: () => number }> {
  const sockets = new Set<Socket>();
  const door = createTcpServer((socket) => {
    sockets.add(socket);
    const inner = connect(to, "127.0.0.1");
    socket.pipe(inner).pipe(socket);
    for (const end of [socket, inner]) {
      end.on("error", () => end.destroy());
      end.on("close", () => {
        sockets.delete(socket);
        socket.destroy();
        inner.destroy();
      });
    }
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    door.close();
  });
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  return { port: (door.address() as AddressInfo).port, connections: () => sockets.size };
}

for (const limit of [10, 100])
  test(`a server that allows ${limit} streams on a connection: 500 calls at once are never queued behind that`, async (t) => {
    const open = Promise.withResolvers<void>();
    let running = 0;
    const server = await startTested(
      t,
      {
        echo: async () => {
          running += 1;
          await open.promise;
          running -= 1;
          return {};
        },
      },
      { maxStreamsPerConnection: limit },
    );
    const maxConnections = 60;
    const door = await startDoor(t, server.port);
    const client = clientOf(t, {
      address: `127.0.0.1:${door.port}`,
      balancing: { policy: "p2c_ewma", maxConnections, connectionIdleMs: 100 },
    });
    const calls = Array.from({ length: 500 }, () => client.echo({ parcel }, { timeoutMs: 20_000 }));
    await eventually(() => running === 500, `${running} of 500 calls at work`);
    const connections = door.connections();
    assert.ok(connections >= 500 / limit && connections <= 500 / limit + 2, `${connections} connections`);
    open.resolve();
    await Promise.all(calls);
    if (limit !== 10) return;
    // Those that are not needed are closed again. grpc-js keeps a connection for up to 10 seconds after that.
    await eventually(() => door.connections() === 1, "one connection is left");
    await client.echo({ parcel });
  });

test("calls beyond what may wait fail at once with RESOURCE_EXHAUSTED; those that wait are served in turn", async (t) => {
  const open = Promise.withResolvers<void>();
  const server = await startTested(
    t,
    {
      echo: async () => {
        await open.promise;
        return {};
      },
    },
    { maxStreamsPerConnection: 5 },
  );
  const client = clientOf(t, {
    address: `127.0.0.1:${server.port}`,
    balancing: { policy: "least_request", maxConnections: 2, maxWaiting: 20 },
  });
  const ends: string[] = [];
  const call = () =>
    client.echo({ parcel }, { timeoutMs: 20_000 }).then(
      () => ends.push("served"),
      (error) => ends.push(isAppError(error) ? error.kind : String(error)),
    );
  const first = Array.from({ length: 10 }, call);
  await eventually(() => server.entered.length === 10);
  const more = Array.from({ length: 30 }, call);
  await eventually(() => ends.length === 10);
  assert.deepEqual(new Set(ends), new Set(["exhausted"]));
  // Those who leave make room for others.
  open.resolve();
  await Promise.all([...first, ...more]);
  assert.equal(ends.filter((end) => end === "served").length, 30);
  assert.equal(server.entered.length, 30);
});

test("a call that finds too many waiting before it is not tried again, costs no budget, and tells its callers not to", async (t) => {
  const hold = () => new Promise<never>(() => {});
  const server = await startTested(t, { echo: hold }, { maxStreamsPerConnection: 1 });
  const events: ResilienceEvent[] = [];
  const again = "/shoal.echo.v1.EchoService/EchoAgain";
  const retry = {
    maxAttempts: 3,
    initialBackoffMs: 1,
    maxBackoffMs: 1,
    backoffMultiplier: 1,
    codes: ["RESOURCE_EXHAUSTED"],
  };
  const client = clientOf(t, {
    address: `127.0.0.1:${server.port}`,
    balancing: { policy: "round_robin", maxConnections: 1, maxWaiting: 0 },
    policies: { [again]: { retry } },
    // With the first failure that counts there would be no budget any more.
    retryBudget: { maxTokens: 1 },
    onResilienceEvent: (event) => events.push(event),
  });
  const left = new AbortController();
  void client.echo({ parcel }, { signal: left.signal }).catch(() => undefined);
  await eventually(() => server.entered.length === 1);
  const failure = await client.echoAgain({ parcel }, { timeoutMs: 20_000 }).catch((error) => error);
  assert.ok(isAppError(failure) && failure.kind === "exhausted", String(failure));
  assert.match(failure.message, /too many calls wait for room/);
  assert.deepEqual(events, [{ type: "refused", path: again, by: "connections" }]);
  assert.deepEqual(toGrpcStatus(failure).metadata.get("grpc-retry-pushback-ms"), ["-1"]);
  left.abort();
});

test("a hedge that finds too many waiting leaves the attempt alone that is under way", async (t) => {
  const open = Promise.withResolvers<void>();
  const echoAgain = async () => {
    await open.promise;
    return { parcel };
  };
  const server = await startTested(t, { echoAgain }, { maxStreamsPerConnection: 1 });
  const again = "/shoal.echo.v1.EchoService/EchoAgain";
  const events: ResilienceEvent[] = [];
  const client = clientOf(t, {
    address: `127.0.0.1:${server.port}`,
    balancing: { policy: "round_robin", maxConnections: 1, maxWaiting: 0 },
    policies: {
      [again]: { retry: undefined, hedging: { maxAttempts: 3, delayMs: 20, nonFatalCodes: ["UNAVAILABLE"] } },
    },
    onResilienceEvent: (event) => events.push(event),
  });
  const call = client.echoAgain({ parcel }, { timeoutMs: 20_000 });
  call.catch(() => undefined);
  await eventually(() => events.some(({ type }) => type === "hedge"));
  await sleep(20);
  open.resolve();
  await call;
});

test("of a burst no call is refused for which there is room on connections still to be made", async (t) => {
  const server = await startTested(t, { echo: async () => await sleep(50, {}) }, { maxStreamsPerConnection: 5 });
  const client = clientOf(t, {
    address: `127.0.0.1:${server.port}`,
    balancing: { policy: "p2c_ewma", maxConnections: 20, maxWaiting: 10 },
  });
  await client.echo({ parcel });
  await Promise.all(Array.from({ length: 100 }, () => client.echo({ parcel }, { timeoutMs: 20_000 })));
});

test("a further attempt goes to where the call has been rather than wait for room elsewhere", async (t) => {
  const full = await startTested(t, { echo: () => new Promise<never>(() => {}) }, { maxStreamsPerConnection: 1 });
  const failing = await startTested(t, {
    echoAgain: async () => {
      throw new AppError({ kind: "unavailable", reason: "BROKEN", domain: "test", message: "it is broken" });
    },
  });
  const balancing = { policy: "round_robin", maxConnections: 1, ejection: false } as const;
  const client = clientOf(t, { address: addressesOf([full, failing]), balancing });
  const left = new AbortController();
  while (full.entered.length === 0) {
    void client.echo({ parcel }, { signal: left.signal }).catch(() => undefined);
    await sleep(20);
  }
  const call = client.echoAgain({ parcel }, { timeoutMs: 4_000 });
  await assert.rejects(call, (error) => isAppError(error, "BROKEN"));
  assert.equal(failing.entered.filter(({ method }) => method.name === "EchoAgain").length, 4);
  left.abort();
});

test("five instances at most are asked for a call, and it is told when the first comes back of those that refuse it", async (t) => {
  const servers = await start(t, 8);
  registerLoadBalancer();
  const plain = new GrpcClient(addressesOf(servers), credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [loadBalancingConfig(clientBalancing({}))] }),
  });
  t.after(() => plain.close());
  const known = new Set<Endpoint>();
  /** One of those that surely refuse, which are not asked. */
  let shut: Endpoint | undefined;
  const call = () =>
    new Promise<{ asked: ReadonlySet<Endpoint>; refusedForMs: number | undefined }>((resolve) => {
      const asked = new Set<Endpoint>();
      const guard: CallGuard = {
        mayAdmit: (endpoint) => endpoint !== shut,
        closedForMs: (endpoint) => (endpoint === shut ? 400 : asked.has(endpoint) ? 700 : 0),
        admit: (endpoint) => {
          known.add(endpoint);
          asked.add(endpoint);
          return undefined;
        },
        ended: () => assert.fail("none is called"),
      };
      const traits: BalancedCall = {
        streaming: false,
        hashKey: undefined,
        guard,
        avoid: undefined,
        endpoint: undefined,
        permit: undefined,
        refusedForMs: undefined,
        turnedAway: false,
      };
      const metadata = new Metadata();
      setCallTraits(metadata, traits);
      const asIs = (bytes: Buffer) => bytes;
      plain.makeUnaryRequest("/shoal.echo.v1.EchoService/Echo", asIs, asIs, Buffer.alloc(0), metadata, () =>
        resolve({ asked, refusedForMs: traits.refusedForMs }),
      );
    });
  // Connections are made one after the other.
  while (known.size < servers.length) await call();
  const refused = await call();
  assert.deepEqual([refused.asked.size, refused.refusedForMs], [5, 700]);
  // The first to be asked is chosen before it is known who surely refuses.
  [shut] = known;
  const sooner = await call();
  assert.deepEqual([sooner.asked.size, sooner.refusedForMs], [5, 400]);
  assert.deepEqual(countsOf(servers), Array(servers.length).fill(0));
});

/** A registry that runs, and instances announced in it. */
async function registryOf(t: TestContext) {
  const server = await createLocalRegistryServer({ host: "127.0.0.1", port: 0 });
  const registry = openRegistry(`local://${server.address}`);
  t.after(async () => {
    await registry.close();
    await server.close();
  });
  const announce = async ({ port }: TestedServer, more: Partial<Instance> = {}) => {
    const address = `127.0.0.1:${port}`;
    const bare = { service: "echo", id: address, address, zone: "", version: "", weight: 100, startedAt: 0 };
    const instance: Instance = { ...bare, ...more };
    await registry.register(instance);
    return instance;
  };
  return { registry, server, announce };
}

test("shoal:///echo: instances come, go and are replaced, and no call fails", async (t) => {
  const { registry, announce } = await registryOf(t);
  const servers = await start(t, 3);
  const [one, two, three] = servers as [TestedServer, TestedServer, TestedServer];
  const first = await announce(one);
  let failed = 0;
  let stopped = false;
  // Before the client is closed: calls that are refused at once, without a pause, would leave nobody else a turn.
  t.after(() => {
    stopped = true;
  });
  const client = clientOf(t, { address: "shoal:///echo", registry, balancing: "round_robin" });
  await client.echo({ parcel });
  const load = (async () => {
    while (!stopped) await client.echo({ parcel }).catch(() => (failed += 1));
  })();
  await announce(two);
  await eventually(() => two.entered.length > 10);
  await announce(three);
  await eventually(() => three.entered.length > 10);
  await one.server.drain(1_000, () => registry.deregister(first));
  const last = one.entered.length;
  const others = two.entered.length;
  await eventually(() => two.entered.length > others + 50);
  assert.equal(one.entered.length, last);
  stopped = true;
  await load;
  assert.equal(failed, 0);
});

test("shoal:///echo: an instance that comes back where it was is called at once, however long it has been away", async (t) => {
  const { registry, announce } = await registryOf(t);
  const stays = await startTested(t);
  const goes = await startTested(t, {}, {}, await lastingPort());
  await announce(stays);
  const first = await announce(goes);
  const client = clientOf(t, { address: "shoal:///echo", registry, balancing: "round_robin" });
  await untilAllServe(client, [stays, goes]);
  // Nobody says that it has gone: the client tries again and again, at growing intervals of up to 2 seconds.
  await goes.server.drain(0);
  const awayUntil = Date.now() + 4_000;
  while (Date.now() < awayUntil) await client.echo({ parcel }).then(() => sleep(20));
  let calledAt = 0;
  const echo = async () => {
    calledAt ||= Date.now();
    return {};
  };
  const again = createServer({ services: [implement(EchoService, { ...echoing, echo })], errorDomain: "shoal.test" });
  t.after(() => again.drain(0));
  await again.listen({ host: "127.0.0.1", port: goes.port });
  await registry.deregister(first);
  const backAt = Date.now();
  await announce(goes, { id: "another" });
  await eventually(() => {
    void client.echo({ parcel });
    return calledAt !== 0;
  });
  assert.ok(calledAt - backAt < 1_000, `${calledAt - backAt} ms`);
});

test("shoal:///echo: no instances, or no registry that answers, is UNAVAILABLE with the reason, at once", async (t) => {
  const { registry } = await registryOf(t);
  const client = clientOf(t, { address: "shoal:///echo", registry });
  await assert.rejects(client.echo({ parcel }), {
    kind: "unavailable",
    message: /the registry knows no instance of echo/,
  });
  const nowhere = createLocalRegistry({ host: "127.0.0.1", port: 1 });
  t.after(() => nowhere.close());
  const lost = clientOf(t, { address: "shoal:///echo", registry: nowhere });
  await assert.rejects(lost.echo({ parcel }), {
    kind: "unavailable",
    message: /the registry cannot say where echo is/,
  });
  assert.throws(() => createClient(EchoService, { address: "shoal:///echo" }), /give the option registry/);
});

test("shoal:///echo: instances of the client's own zone are called, the others when that one is gone", async (t) => {
  const { registry, announce } = await registryOf(t);
  const [near, far] = (await start(t, 2)) as [TestedServer, TestedServer];
  const nearby = await announce(near, { zone: "a" });
  await announce(far, { zone: "b" });
  const client = clientOf(t, { address: "shoal:///echo", registry, balancing: { zone: "a" } });
  while (near.entered.length === 0) await client.echo({ parcel });
  const before = far.entered.length;
  for (let call = 0; call < 50; call += 1) await client.echo({ parcel });
  assert.equal(far.entered.length, before);
  await near.server.drain(1_000, () => registry.deregister(nearby));
  await client.echo({ parcel });
  assert.equal(far.entered.length, before + 1);
});

/** A registry that says what it is told to. */
function fakeRegistry() {
  const watchers = new Set<RegistryListener>();
  let known: readonly Instance[] = [];
  const registry = {
    watch: (_service: string, watcher: RegistryListener) => {
      watchers.add(watcher);
      watcher.onInstances(known);
      return () => watchers.delete(watcher);
    },
  } as unknown as Registry;
  const say = (...instances: readonly Instance[]) => {
    known = instances;
    for (const watcher of watchers) watcher.onInstances(instances);
  };
  return { registry, say };
}

test("an instance that is gone for a moment only keeps its connection, which disposing of the client closes", async (t) => {
  const server = await startTested(t);
  const door = await startDoor(t, server.port);
  const address = `127.0.0.1:${door.port}`;
  const instance = { service: "echo", id: "one", address, zone: "", version: "", weight: 100, startedAt: 0 };
  const { registry, say } = fakeRegistry();
  const client = clientOf(t, { address: "shoal:///echo", registry });
  for (let round = 0; round < 5; round += 1) {
    say(instance);
    await sleep(20);
    await client.echo({ parcel }, { timeoutMs: 1_000 });
    assert.equal(door.connections(), 1);
    say();
    await sleep(20);
    await assert.rejects(client.echo({ parcel }), { kind: "unavailable" });
  }
  client[Symbol.dispose]();
  await eventually(() => door.connections() === 0);
});

test("an address that is named twice is one instance, and disposing of the client closes its connection", async (t) => {
  const server = await startTested(t);
  const door = await startDoor(t, server.port);
  const client = clientOf(t, {
    address: `ipv4:127.0.0.1:${door.port},127.0.0.1:${door.port}`,
    balancing: "round_robin",
  });
  await client.echo({ parcel });
  client[Symbol.dispose]();
  await eventually(() => door.connections() === 0);
});

test("a peer that ends connections as soon as they are made is left alone for longer and longer", async (t) => {
  let connections = 0;
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const peer = createTcpServer((socket) => {
    connections += 1;
    socket.on("error", () => socket.destroy());
    socket.end(settings);
    socket.resume();
  });
  t.after(() => peer.close());
  peer.listen(0, "127.0.0.1");
  await once(peer, "listening");
  const address = `127.0.0.1:${(peer.address() as AddressInfo).port}`;
  const client = clientOf(t, { address, balancing: "round_robin" });
  await assert.rejects(client.echo({ parcel }, { timeoutMs: 500 }));
  await sleep(1_000);
  assert.ok(connections < 10, `${connections} connections`);
  await assert.rejects(client.echo({ parcel }, { timeoutMs: 500 }), { kind: "unavailable" });
});

test("calls that wait go on when their server allows more streams on a connection that stands", async (t) => {
  const sessions = new Set<ServerHttp2Session>();
  const server = createHttp2Server({ settings: { maxConcurrentStreams: 2 } });
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.alloc(5));
  });
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = clientOf(t, { address, balancing: { policy: "p2c_ewma", maxConnections: 1 } });
  await client.echo({ parcel });
  const allow = async (maxConcurrentStreams: number) => {
    for (const session of sessions) session.settings({ maxConcurrentStreams });
    await sleep(50);
  };
  await allow(0);
  const calls = Array.from({ length: 5 }, () => client.echo({ parcel }, { timeoutMs: 2_000 }));
  await sleep(50);
  await allow(3);
  await Promise.all(calls);
});

test("connections that were closed for want of calls come back at once for more calls, and may be lost", async (t) => {
  // All calls of a burst have to be at work together, which takes five connections.
  let burst = { calls: 0, all: Promise.withResolvers<object>() };
  const echo = () => {
    burst.calls += 1;
    if (burst.calls === 50) burst.all.resolve({});
    return burst.all.promise;
  };
  const server = await startTested(t, { echo }, { maxStreamsPerConnection: 10 });
  const client = clientOf(t, {
    address: `127.0.0.1:${server.port}`,
    balancing: { policy: "p2c_ewma", connectionIdleMs: 50 },
  });
  for (let n = 0; n < 3; n += 1) {
    burst = { calls: 0, all: Promise.withResolvers() };
    await Promise.all(Array.from({ length: 50 }, () => client.echo({ parcel }, { timeoutMs: 5_000 })));
    await sleep(200);
  }
  await server.server.drain(1_000);
  await assert.rejects(client.echo({ parcel }, { timeoutMs: 1_000 }));
});

test("an instance that was gone for a moment has its room anew, whatever streams go on on its old connections", async (t) => {
  const server = await startTested(t, {}, { maxStreamsPerConnection: 3 });
  const address = `127.0.0.1:${server.port}`;
  const instance = { service: "echo", id: "one", address, zone: "", version: "", weight: 100, startedAt: 0 };
  const { registry, say } = fakeRegistry();
  say(instance);
  const client = clientOf(t, { address: "shoal:///echo", registry, balancing: { maxConnections: 1 } });
  const left = new AbortController();
  const silent = async function* () {
    yield { parcel };
    await sleep(60_000, undefined, { signal: left.signal });
  };
  const streams = Array.from({ length: 3 }, () => client.converse(silent(), { signal: left.signal }));
  await Promise.all(streams.map((stream) => stream.next()));
  say();
  await sleep(20);
  say(instance);
  await sleep(20);
  await client.echo({ parcel }, { timeoutMs: 2_000 });
  left.abort();
  await Promise.allSettled(streams.map((stream) => stream.next()));
});
