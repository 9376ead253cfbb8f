import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { isAppError } from "@shoal/kernel";
import { createAuthority, until } from "@shoal/testkit";
import { answer, clientOf, listen, startRawServer } from "../hardening/raw-server.ts";
import { eventually } from "../hardening/tested-server.ts";
import { defaultClientOptions } from "./client.ts";

/** Long enough to tell a call that moves on from one that waits for its own end. */
const options = { timeoutMs: 20_000 };
const connectTimeoutMs = 200;

/** A certificate for 127.0.0.1, for the server and, as a file, for its clients. */
async function certificate(t: TestContext): Promise<{ server: TlsOptions; caFile: string }> {
  const authority = await createAuthority("Test Authority");
  const { certificate: cert, key } = await authority.issue({ commonName: "localhost" });
  const directory = await mkdtemp(join(tmpdir(), "shoal-rpc-"));
  t.after(() => rm(directory, { recursive: true }));
  const caFile = join(directory, "ca.crt");
  await writeFile(caFile, authority.certificate);
  return { server: { key, cert, ALPNProtocols: ["h2"] }, caFile };
}

/** Accepts connections and does nothing more with them than `greet` does. */
async function startSilent(t: TestContext, create: (serve: (socket: Socket) => void) => Server, greet?: Buffer) {
  const open = new Set<Socket>();
  const accepted = { count: 0 };
  const silent = create((socket) => {
    open.add(socket);
    accepted.count += 1;
    // Whoever never reads never learns that the other side has closed.
    socket.resume().on("error", () => {});
    socket.on("close", () => open.delete(socket));
    if (greet !== undefined) socket.write(greet);
  });
  const port = await listen(t, silent);
  t.after(() => {
    for (const socket of open) socket.destroy();
  });
  return { port, open, accepted, close: () => new Promise((resolve) => silent.close(resolve)) };
}

async function settings(t: TestContext) {
  const { server, caFile } = await certificate(t);
  const tls = { caFile };
  return {
    "that says nothing": { create: createTcpServer, options: {}, server: {} },
    "that never answers the TLS handshake": { create: createTcpServer, options: { tls }, server: { tls: server } },
    "that says nothing after the TLS handshake": {
      create: (serve: (socket: Socket) => void) => createTlsServer(server, serve),
      options: { tls },
      server: { tls: server },
    },
    "that says less than HTTP/2 begins with": {
      create: createTcpServer,
      options: {},
      server: {},
      greet: Buffer.of(0, 0, 0, 4),
    },
    "that says what is not HTTP/2": {
      create: createTcpServer,
      options: {},
      server: {},
      greet: Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    },
  };
}

type Setting = { create: (serve: (socket: Socket) => void) => Server; options: object; server: object; greet?: Buffer };

for (const name of [
  "that says nothing",
  "that never answers the TLS handshake",
  "that says nothing after the TLS handshake",
  "that says less than HTTP/2 begins with",
  "that says what is not HTTP/2",
] as const)
  test(`a peer ${name} is given up, and found again when it is well`, async (t) => {
    const setting: Setting = (await settings(t))[name];
    const silent = await startSilent(t, setting.create, setting.greet);
    const client = clientOf(t, silent.port, { connectTimeoutMs, ...setting.options });
    const begun = performance.now();
    await assert.rejects(client.echo({}, options), (error) => isAppError(error) && error.kind === "unavailable");
    assert.ok(performance.now() - begun < options.timeoutMs / 2);
    assert.ok(silent.accepted.count > 0);
    // Resolves when each connection is closed, those of attempts that are made meanwhile too. The peer closes none.
    await silent.close();
    const well = await startRawServer(t, () => answer(), { port: silent.port, ...setting.server });
    await eventuallyAnswers(client);
    assert.equal(well.calls, 1);
  });

/** Calls until the client has found the server again. */
async function eventuallyAnswers(client: ReturnType<typeof clientOf>): Promise<void> {
  const outcome = await until("the server is found again", () =>
    client.echo({}, options).then(
      () => "answered",
      (error) => (isAppError(error) && error.kind === "unavailable" ? undefined : String(error)),
    ),
  );
  assert.equal(outcome, "answered");
}

test("a slow peer that talks HTTP/2 in time is not given up, nor is its connection later", async (t) => {
  const server = await startRawServer(t, () => answer(), { silentMs: connectTimeoutMs / 2 });
  const client = clientOf(t, server.port, { connectTimeoutMs });
  await client.echo({}, options);
  await sleep(connectTimeoutMs * 2);
  await client.echo({}, options);
  assert.equal(server.connections, 1);
});

for (const balancing of ["pick_first", "round_robin"] as const)
  test(`${balancing}: a peer that says nothing does not keep calls from one that talks`, async (t) => {
    const silent = await startSilent(t, createTcpServer);
    const good = await startRawServer(t, () => answer());
    const address = `ipv4:127.0.0.1:${silent.port},127.0.0.1:${good.port}`;
    const client = clientOf(t, address, { balancing, connectTimeoutMs });
    const begun = performance.now();
    for (let n = 0; n < 5; n += 1) await client.echo({}, options);
    assert.ok(performance.now() - begun < options.timeoutMs / 2);
    assert.equal(good.calls, 5);
    assert.ok(silent.accepted.count > 0);
  });

test("a client that is disposed of while it connects leaves no connection behind", async (t) => {
  const silent = await startSilent(t, createTcpServer);
  const client = clientOf(t, silent.port, { connectTimeoutMs });
  const call = client.echo({}, options);
  await eventually(() => silent.open.size === 1);
  client[Symbol.dispose]();
  await assert.rejects(call, (error) => isAppError(error) && error.kind === "unavailable");
  await eventually(() => silent.open.size === 0);
});

test("connecting may take 5 seconds if nothing else is said", () => {
  assert.equal(defaultClientOptions.connectTimeoutMs, 5_000);
});
