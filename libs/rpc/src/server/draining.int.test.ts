import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type ClientHttp2Session, connect, constants } from "node:http2";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { EchoRequestSchema, EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "@shoal/contracts/grpc/health/v1/health";
import { isAppError } from "@shoal/kernel";
import { createAuthority, until, writeTlsFiles } from "@shoal/testkit";
import { createClient } from "../client/client.ts";
import type { DrainingServerMessage } from "../hardening/draining-server.ts";
import { type HandlerContext, implement, type ServiceHandlers } from "./handlers.ts";
import { createServer, type RpcServer } from "./server.ts";

const graceMs = 10_000;
/** Far less than the grace period: what ends within it has not waited for that. */
const soonMs = 5_000;

const echo: ServiceHandlers<typeof EchoService> = {
  echo: async ({ parcel }) => ({ parcel }),
  echoAgain: async ({ parcel }) => ({ parcel }),
  collect: async () => ({}),
  repeat: async function* () {},
  converse: async function* () {},
};

async function start(t: TestContext, handlers: Partial<ServiceHandlers<typeof EchoService>> = {}) {
  const server = createServer({ services: [implement(EchoService, { ...echo, ...handlers })], errorDomain: "test" });
  const port = await server.listen({ host: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${port}`;
  const client = createClient(EchoService, { address });
  t.after(async () => {
    client[Symbol.dispose]();
    await server.drain(0);
  });
  return { server, port, address, client };
}

async function drainSoon(server: RpcServer, forced = false): Promise<void> {
  const startedAt = performance.now();
  assert.deepEqual(await server.drain(graceMs), { forced });
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs < soonMs, `${tookMs} ms`);
}

/** A client that does nothing by itself but what HTTP/2 demands. */
async function connectHttp2(t: TestContext, port: number): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  t.after(() => session.destroy());
  await once(session, "remoteSettings");
  return session;
}

const echoHeaders = {
  ":method": "POST",
  ":path": "/shoal.echo.v1.EchoService/Echo",
  "content-type": "application/grpc",
  te: "trailers",
};

/** Sends one Echo call; answers its gRPC status, or the code that its stream was reset with. */
function rawEcho(session: ClientHttp2Session): Promise<string> {
  const stream = session.request(echoHeaders);
  const message = toBinary(EchoRequestSchema, create(EchoRequestSchema));
  stream.end(Buffer.concat([Buffer.alloc(5), message]));
  return new Promise((resolve) => {
    stream.on("trailers", (trailers) => resolve(`status ${trailers["grpc-status"]}`));
    stream.on("error", () => {});
    stream.on("close", () => resolve(`reset ${stream.rstCode}`));
    stream.resume();
  });
}

test("a call that never ends is ended after the grace period, and its caller told why", async (t) => {
  const entered = Promise.withResolvers<HandlerContext>();
  const { server, client } = await start(t, {
    echo: (_, context) => {
      entered.resolve(context);
      return new Promise<never>(() => {});
    },
  });
  const failed = assert.rejects(
    client.echo({}),
    (error) => isAppError(error, "SERVER_DRAINING") && error.kind === "unavailable",
  );
  const { signal } = await entered.promise;
  assert.deepEqual(await server.drain(100), { forced: true });
  assert.equal(signal.aborted, true);
  await failed;
});

test("a call whose request never becomes complete is cut after the grace period", async (t) => {
  const { server, port } = await start(t);
  const session = await connectHttp2(t, port);
  session.request(echoHeaders).on("error", () => {});
  // A PING overtakes what waits to be sent with it; a second one that follows its answer does not.
  for (let ping = 0; ping < 2; ping += 1) await new Promise<void>((resolve) => session.ping(() => resolve()));
  assert.deepEqual(await server.drain(100), { forced: true });
});

test("an idle connection ends at once", async (t) => {
  const { server, client } = await start(t);
  await client.echo({});
  await drainSoon(server);
});

for (const allowHalfOpen of [false, true])
  test(`a connection that never sent anything ends soon${allowHalfOpen ? ", though its peer keeps it open" : ""}`, async (t) => {
    const { server, port } = await start(t);
    const socket = connectTcp({ host: "127.0.0.1", port, allowHalfOpen });
    t.after(() => socket.destroy());
    socket.on("error", () => {}).resume();
    // The server's settings have come.
    await once(socket, "data");
    await drainSoon(server);
  });

test("a connection that does not finish its TLS handshake ends soon", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "shoal-draining-"));
  t.after(() => rm(directory, { recursive: true }));
  const authority = await createAuthority("tests");
  const files = await writeTlsFiles(directory, "server", await authority.issue({ commonName: "localhost" }), authority);
  const server = createServer({ services: [implement(EchoService, echo)], errorDomain: "test" });
  const { certFile, keyFile, caFile } = files;
  const port = await server.listen({ host: "127.0.0.1", port: 0, tls: { certFile, keyFile } });
  using client = createClient(EchoService, { address: `localhost:${port}`, tls: { caFile } });
  await client.echo({});
  const socket = connectTcp({ host: "127.0.0.1", port, allowHalfOpen: true });
  t.after(() => socket.destroy());
  socket.on("error", () => {}).resume();
  // The head of a TLS record, whose rest never comes.
  socket.write(Buffer.of(0x16, 3, 1, 2, 0));
  // Later connections are made later.
  using later = createClient(EchoService, { address: `localhost:${port}`, tls: { caFile } });
  await later.echo({});
  await drainSoon(server);
});

test("a call that comes after the GOAWAY is refused unseen, one that came before is served", async (t) => {
  let entered = 0;
  const release = Promise.withResolvers<void>();
  const { server, port } = await start(t, {
    echo: async () => {
      entered += 1;
      await release.promise;
      return {};
    },
  });
  const session = await connectHttp2(t, port);
  const before = rawEcho(session);
  await until("the call is at work", () => entered > 0);
  // Begun before the client can read a word, and sent when the server has sent its GOAWAY.
  const drained = server.drain(graceMs);
  await new Promise(setImmediate);
  const after = rawEcho(session);
  assert.equal(await after, `reset ${constants.NGHTTP2_REFUSED_STREAM}`);
  release.resolve();
  assert.equal(await before, "status 0");
  assert.deepEqual(await drained, { forced: false });
  assert.equal(entered, 1);
});

test("a client that goes on calling on the old connection cannot keep the server", async (t) => {
  const { server, port } = await start(t, {
    echo: async () => {
      await sleep(20);
      return {};
    },
  });
  const { client } = { client: await connectHttp2(t, port) };
  // As of a peer that does not listen: nothing but what it sends decides when it stops.
  client.close = () => {};
  const ends: string[] = [];
  let going = true;
  const calling = (async () => {
    while (going && !client.destroyed) {
      for (let n = 0; n < 5; n += 1) void rawEcho(client).then((end) => ends.push(end));
      await sleep(1);
    }
  })();
  await until("a call is answered", () => ends.includes("status 0"));
  await drainSoon(server);
  going = false;
  await calling;
});

test("streams of all kinds end when they are told", async (t) => {
  const began: Promise<unknown>[] = [];
  const begin = () => {
    const begun = Promise.withResolvers<void>();
    began.push(begun.promise);
    return begun.resolve;
  };
  const [collecting, repeating, conversing] = [begin(), begin(), begin()];
  const { server, client } = await start(t, {
    collect: async (_, { draining }) => {
      collecting();
      await once(draining, "abort");
      return { count: 7n };
    },
    repeat: async function* (_, { draining }) {
      repeating();
      await once(draining, "abort");
      yield { parcel: { name: "last" } };
    },
    converse: async function* (_, { draining }) {
      conversing();
      await once(draining, "abort");
      yield { parcel: { name: "bye" } };
    },
  });
  const endless = async function* () {
    yield {};
    await new Promise<never>(() => {});
  };
  const all = async (responses: AsyncIterable<{ parcel?: { name: string } | undefined }>) => {
    const names = [];
    for await (const { parcel } of responses) names.push(parcel?.name);
    return names;
  };
  const answers = [client.collect(endless()), all(client.repeat({})), all(client.converse(endless()))];
  await Promise.all(began);
  await drainSoon(server);
  const [collected, repeated, conversed] = await Promise.all(answers);
  assert.deepEqual((collected as { count: bigint }).count, 7n);
  assert.deepEqual([repeated, conversed], [["last"], ["bye"]]);
});

test("who watches the health reads NOT_SERVING, and calls are served until the server is deregistered", async (t) => {
  const { server, address, client } = await start(t);
  using health = createClient(Health, { address });
  const watch = health.watch({ service: "" });
  assert.equal((await watch.next()).value?.status, ServingStatus.SERVING);
  await client.echo({});
  const deregistered = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const drained = server.drain(graceMs, () => {
    asked.resolve();
    return deregistered.promise;
  });
  await asked.promise;
  assert.equal((await watch.next()).value?.status, ServingStatus.NOT_SERVING);
  await client.echo({});
  deregistered.resolve();
  assert.equal((await watch.next()).done, true);
  assert.deepEqual(await drained, { forced: false });
});

test("NOT_SERVING comes before the GOAWAY", async (t) => {
  const { server, port } = await start(t);
  const session = await connectHttp2(t, port);
  const events: string[] = [];
  session.on("goaway", () => events.push("GOAWAY"));
  const stream = session.request({ ...echoHeaders, ":path": "/grpc.health.v1.Health/Watch" });
  stream.end(Buffer.alloc(5));
  stream.on("data", (bytes: Buffer) => events.push(`status ${bytes.at(-1)}`));
  await once(stream, "data");
  assert.deepEqual(await server.drain(graceMs), { forced: false });
  assert.deepEqual(events.slice(0, 3), [
    `status ${ServingStatus.SERVING}`,
    `status ${ServingStatus.NOT_SERVING}`,
    "GOAWAY",
  ]);
});

test("a deregistration that fails or never ends keeps nobody", async (t) => {
  const failing = await start(t);
  assert.deepEqual(await failing.server.drain(graceMs, () => Promise.reject(new Error("away"))), { forced: false });
  const hanging = await start(t);
  await hanging.server.drain(50, () => new Promise<never>(() => {}));
});

test("draining again answers when the server has ended, and may shorten the grace period", async (t) => {
  const entered = Promise.withResolvers<void>();
  const { server, client } = await start(t, {
    echo: () => {
      entered.resolve();
      return new Promise<never>(() => {});
    },
  });
  const failed = assert.rejects(client.echo({}), (error) => isAppError(error, "SERVER_DRAINING"));
  await entered.promise;
  const first = server.drain(60_000);
  assert.deepEqual(await server.drain(50), { forced: true });
  assert.deepEqual(await first, { forced: true });
  await failed;
});

test("a server that drains listens no more, not even where it was about to", async () => {
  const server = createServer({ services: [], errorDomain: "test" });
  const listening = server.listen({ host: "127.0.0.1", port: 0 });
  const refused = assert.rejects(listening, /drains/);
  assert.deepEqual(await server.drain(graceMs), { forced: false });
  await refused;
  await assert.rejects(server.listen({ host: "127.0.0.1", port: 0 }), /drains/);
});

test("a server that never listened drains at once", async () => {
  await drainSoon(createServer({ services: [], errorDomain: "test" }));
});

test("a process that has drained exits by itself, whatever its peers do", async (t) => {
  const child = fork(new URL("../hardening/draining-server.ts", import.meta.url), ["a", "0"], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  t.after(() => child.kill("SIGKILL"));
  const [listening] = (await once(child, "message")) as [DrainingServerMessage];
  const port = listening.type === "listening" ? listening.port : 0;
  using client = createClient(EchoService, { address: `127.0.0.1:${port}` });
  await client.echo({ parcel: { number: 1n } });
  const silent = connectTcp({ host: "127.0.0.1", port, allowHalfOpen: true });
  t.after(() => silent.destroy());
  silent.on("error", () => {}).resume();
  await once(silent, "data");
  child.kill("SIGTERM");
  const [exitCode, signal] = await once(child, "exit");
  assert.deepEqual([exitCode, signal], [0, null]);
});
