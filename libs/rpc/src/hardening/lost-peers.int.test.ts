import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { isAppError } from "@shoal/kernel";
import { lastingPort, until } from "@shoal/testkit";
import { type ClientOptions, defaultClientOptions } from "../client/client.ts";
import { type HandlerContext, implement, type ServiceHandlers } from "../server/handlers.ts";
import { createServer, defaultServerOptions, type ServerOptions } from "../server/server.ts";
import { clientOf, listen } from "./raw-server.ts";
import { eventually } from "./tested-server.ts";

const keepalive = { keepaliveMs: 1_000, keepaliveTimeoutMs: 300 };
/** Long enough to tell a call that ends because its peer is lost from one that waits for its own end. */
const options = { timeoutMs: 30_000 };

const missing = async () => assert.fail("no handler");

async function startServer(
  t: TestContext,
  handlers: Partial<ServiceHandlers<typeof EchoService>>,
  { port = 0, ...more }: Partial<ServerOptions> & { port?: number } = {},
) {
  const all = { echo: missing, echoAgain: missing, collect: missing, repeat: missing, converse: missing, ...handlers };
  const services = [implement(EchoService, all as ServiceHandlers<typeof EchoService>)];
  const server = createServer({ services, errorDomain: "shoal.test", ...more });
  const bound = await server.listen({ host: "127.0.0.1", port });
  let drained = false;
  const stop = async () => {
    if (!drained) await server.drain(0);
    drained = true;
  };
  t.after(stop);
  return { port: bound, stop };
}

/** Forwards connections to a port until they are frozen: then nothing more goes either way, and nobody is told. */
async function startProxy(t: TestContext, to: number) {
  const pairs = new Set<readonly [Socket, Socket]>();
  let frozen = false;
  const proxy = createTcpServer({ noDelay: true }, (near) => {
    const far = connect({ port: to, host: "127.0.0.1", noDelay: true });
    pairs.add([near, far]);
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (bytes) => into.write(bytes)).on("error", () => {});
      from.on("close", () => into.destroy());
    }
    if (frozen) freezeAll();
  });
  const freezeAll = () => {
    for (const pair of pairs) for (const socket of pair) socket.removeAllListeners("close").pause();
  };
  const port = await listen(t, proxy);
  t.after(() => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  });
  return {
    port,
    connections: () => pairs.size,
    freeze: () => {
      frozen = true;
      freezeAll();
    },
    /** New connections are forwarded again. */
    thaw: () => {
      frozen = false;
    },
  };
}

/** A server whose Echo hangs on payloads and answers all others, and a client with a proxy in between. */
async function startThroughProxy(
  t: TestContext,
  ends: { client?: Partial<ClientOptions>; server?: Partial<ServerOptions> },
) {
  const hanging: HandlerContext[] = [];
  const hang = async (context: HandlerContext) => {
    hanging.push(context);
    await once(context.signal, "abort");
  };
  const { port } = await startServer(
    t,
    {
      echo: async ({ parcel }, context) => {
        if (parcel?.payload.length) await hang(context);
        return {};
      },
      repeat: async function* (_, context) {
        yield {};
        await hang(context);
      },
    },
    ends.server,
  );
  const proxy = await startProxy(t, port);
  return { proxy, hanging, client: clientOf(t, proxy.port, ends.client) };
}

const hangs = { parcel: { payload: Buffer.of(1) } };
const lost = (error: unknown) => isAppError(error) && error.kind === "unavailable";

test("a client notices a peer that has gone without a word, and connects anew", async (t) => {
  const { proxy, hanging, client } = await startThroughProxy(t, { client: keepalive });
  const stream = client.repeat({}, options);
  await stream.next();
  const calls = [client.echo(hangs, options), stream.next()];
  await eventually(() => hanging.length === 2);
  proxy.freeze();
  const begun = performance.now();
  for (const result of await Promise.allSettled(calls)) assert.ok(result.status === "rejected" && lost(result.reason));
  assert.ok(performance.now() - begun < 15_000);
  proxy.thaw();
  await client.echo({}, options);
  assert.equal(proxy.connections(), 2);
});

test("a client whose peer has gone while nothing was called notices with the next call", async (t) => {
  const { proxy, client } = await startThroughProxy(t, { client: keepalive });
  await client.echo({}, options);
  proxy.freeze();
  await assert.rejects(client.echo({}, options), lost);
  proxy.thaw();
  await client.echo({}, options);
});

test("a call that takes its time on a connection that lives is left alone", async (t) => {
  const { proxy, hanging, client } = await startThroughProxy(t, { client: keepalive, server: keepalive });
  const controller = new AbortController();
  const call = client.echo(hangs, { ...options, signal: controller.signal });
  call.catch(() => {});
  await eventually(() => hanging.length === 1);
  await sleep(2 * (keepalive.keepaliveMs + keepalive.keepaliveTimeoutMs));
  assert.equal(hanging[0]?.signal.aborted, false);
  controller.abort();
  await assert.rejects(call, (error) => isAppError(error) && error.kind === "cancelled");
  await client.echo({}, options);
  assert.equal(proxy.connections(), 1);
});

test("a server notices a caller that has gone without a word, and ends its work", async (t) => {
  const { proxy, hanging, client } = await startThroughProxy(t, { server: keepalive });
  const call = client.echo(hangs, options);
  call.catch(() => {});
  await eventually(() => hanging.length === 1);
  proxy.freeze();
  const begun = performance.now();
  await eventually(() => hanging[0]?.signal.aborted === true);
  assert.ok(performance.now() - begun < 15_000);
  const reason = hanging[0]?.signal.reason;
  assert.ok(isAppError(reason) && reason.kind === "cancelled", String(reason));
});

test("connections that are silent for 30 seconds have 15 to answer, on both sides, if nothing else is said", () => {
  for (const { keepaliveMs, keepaliveTimeoutMs } of [defaultClientOptions, defaultServerOptions])
    assert.deepEqual([keepaliveMs, keepaliveTimeoutMs], [30_000, 15_000]);
});

test("a server that starts again at its address is found again soon", async (t) => {
  const answers = { echo: async () => ({}), echoAgain: async () => ({}) };
  const { port, stop } = await startServer(t, answers, { port: await lastingPort() });
  const patient = { maxAttempts: 5, initialBackoffMs: 500, maxBackoffMs: 2_000, backoffMultiplier: 2 };
  const policies = {
    // A breaker would hold calls back that are to show whether the server is found.
    "/shoal.echo.v1.EchoService/Echo": { breaker: undefined },
    "/shoal.echo.v1.EchoService/EchoAgain": { retry: { ...patient, codes: ["UNAVAILABLE"] } },
  };
  const client = clientOf(t, port, { policies });
  await client.echo({}, options);
  await stop();
  for (let n = 0; n < 10; n += 1) await assert.rejects(client.echo({}, options), lost);
  const retried = client.echoAgain({}, options);
  await startServer(t, answers, { port });
  await until("it is found", () => client.echo({}, options), 10_000);
  await retried;
  await client.echo({}, options);
});
