import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { EchoService, GuardedEchoService } from "@shoal/contracts/echo/v1/echo_service";
import { openRegistry } from "@shoal/discovery";
import { AppError } from "@shoal/kernel";
import {
  type Authority,
  type CertificateAndKey,
  createAuthority,
  lastingPort,
  replaceFile,
  type TlsFiles,
  temporaryDirectory,
  writeTlsFiles,
} from "@shoal/testkit";
import { type Client, createClient } from "./client/client.ts";
import { echoing } from "./hardening/tested-server.ts";
import { type HandlerContext, implement, type Peer } from "./server/handlers.ts";
import { createServer } from "./server/server.ts";
import type { ClientTls, ServerTls } from "./tls.ts";

const parcel = { name: "tea" };
/** Often enough that tests need not wait; see the waits for what becomes of it. */
const reloadMs = 100;

/** A server and a client whose certificates one authority has signed, which both trust. */
async function parties(t: TestContext) {
  const directory = await temporaryDirectory(t);
  const authority = await createAuthority("Authority");
  const pairs = { server: await issue(authority, "server"), client: await issue(authority, "client") };
  return {
    directory,
    authority,
    pairs,
    server: await writeTlsFiles(directory, "server", pairs.server, authority),
    client: await writeTlsFiles(directory, "client", pairs.client, authority),
  };
}

function issue(authority: Authority, commonName: string): Promise<CertificateAndKey> {
  return authority.issue({ commonName, uris: [`spiffe://shoal/${commonName}`] });
}

/** Serves, with certificates or without. */
async function serve(t: TestContext, tls?: ServerTls, atPort = 0) {
  const peers: Peer[] = [];
  const server = createServer({
    errorDomain: "shoal.test",
    services: [
      implement(EchoService, {
        ...echoing,
        echo: async ({ parcel }, { peer: { address, certificate } }) => {
          peers.push({ address, certificate });
          return { ...(parcel && { parcel }) };
        },
      }),
      implement(GuardedEchoService, {
        getCaller: async (_, { identity }) => ({ subject: identity?.subject ?? "" }),
        setCaller: async (_, { identity }) => ({ subject: identity?.subject ?? "" }),
      }),
    ],
    identify: ({ peer }) => identityOf(peer),
  });
  t.after(() => server.drain(0));
  const port = await server.listen({ host: "127.0.0.1", port: atPort, ...(tls && { tls }) });
  return { server, port, peers };
}

/** Who has the certificate that a caller shows: its name; one called `writer` may write. */
function identityOf({ certificate }: Peer): HandlerContext["identity"] {
  const subject = certificate?.alternativeNames.match(/URI:spiffe:\/\/shoal\/(\w+)/)?.[1];
  if (subject === undefined) return undefined;
  return { subject, scopes: new Set(subject === "writer" ? ["echo.write"] : []) };
}

function callerOf(t: TestContext, port: number, tls?: ClientTls, host = "localhost"): Client<typeof EchoService> {
  const client = createClient(EchoService, { address: `${host}:${port}`, ...(tls && { tls }) });
  t.after(() => client[Symbol.dispose]());
  return client;
}

/** A caller that only checks who serves. */
const trusting = ({ caFile }: TlsFiles): ClientTls => ({ caFile });

/** Waits until `holds`, at most 20 seconds. Fails at once when that fails. */
async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 20_000;
  while (!(await holds())) {
    assert.ok(performance.now() < giveUpAt, `it did not happen within 20 seconds: ${holds}`);
    await sleep(5);
  }
}

async function all<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** Checks that a call cannot get there, and that its caller is told why. */
async function assertUnavailable(call: Promise<unknown>, why: RegExp): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof AppError);
    assert.equal(error.kind, "unavailable", error.message);
    assert.match(error.message, why);
    return true;
  });
}

/** The fingerprint of the certificate that a new connection is shown. */
async function shownAt(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", ALPNProtocols: ["h2"], rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

function fingerprintOf({ certificate }: CertificateAndKey): string {
  return new X509Certificate(certificate).fingerprint256;
}

test("all kinds of calls go over TLS, by name and by address", async (t) => {
  const { server, client } = await parties(t);
  const { port, peers } = await serve(t, server);
  for (const host of ["localhost", "127.0.0.1"]) {
    const echo = callerOf(t, port, trusting(client), host);
    assert.equal((await echo.echo({ parcel })).parcel?.name, "tea");
    const requests = async function* () {
      for (let n = 0; n < 100; n += 1) yield { parcel };
    };
    assert.equal((await echo.collect(requests())).count, 100n);
    assert.equal((await all(echo.repeat({ parcel, count: 100n }))).length, 100);
    assert.equal((await all(echo.converse(requests()))).length, 100);
  }
  assert.equal(peers[0]?.certificate, undefined);
});

test("a server whose certificate another authority has signed is not talked to", async (t) => {
  const { directory, server, pairs } = await parties(t);
  const { port, peers } = await serve(t, server);
  const files = await writeTlsFiles(directory, "stranger", pairs.client, await createAuthority("Other Authority"));
  const echo = callerOf(t, port, trusting(files));
  await assertUnavailable(echo.echo({ parcel }), /unable to verify|self-signed|issuer/);
  assert.equal(peers.length, 0);
});

test("a server whose certificate names another host is not talked to", async (t) => {
  const { directory, authority, client } = await parties(t);
  const pair = await authority.issue({ commonName: "shop", hosts: ["shop.example"] });
  const { port } = await serve(t, await writeTlsFiles(directory, "shop", pair, authority));
  await assertUnavailable(callerOf(t, port, trusting(client)).echo({ parcel }), /altnames.*shop\.example/);
});

test("a server whose certificate has expired is not talked to", async (t) => {
  const { directory, authority, client } = await parties(t);
  const pair = await authority.issue({ commonName: "server", notAfter: new Date(Date.now() - 1_000) });
  const { port } = await serve(t, await writeTlsFiles(directory, "old", pair, authority));
  await assertUnavailable(callerOf(t, port, trusting(client)).echo({ parcel }), /certificate has expired/);
});

test("a caller without TLS does not get through to a server with it, nor the other way round", async (t) => {
  const { server, client } = await parties(t);
  const secure = await serve(t, server);
  const plain = await serve(t);
  await assertUnavailable(callerOf(t, secure.port).echo({ parcel }), /./);
  await assertUnavailable(callerOf(t, plain.port, trusting(client)).echo({ parcel }), /./);
  assert.deepEqual([secure.peers, plain.peers], [[], []]);
});

test("a server that asks for certificates knows its callers by them", async (t) => {
  const { directory, authority, server, client, pairs } = await parties(t);
  const { port, peers } = await serve(t, { ...server, clientCaFile: server.caFile });
  await callerOf(t, port, client).echo({ parcel });
  assert.deepEqual(peers[0]?.certificate, {
    commonName: "client",
    alternativeNames: "DNS:localhost, IP Address:127.0.0.1, URI:spiffe://shoal/client",
    fingerprint: fingerprintOf(pairs.client),
  });

  const writer = await writeTlsFiles(directory, "writer", await issue(authority, "writer"), authority);
  const as = (tls: ClientTls) => {
    const guarded = createClient(GuardedEchoService, { address: `localhost:${port}`, tls });
    t.after(() => guarded[Symbol.dispose]());
    return guarded;
  };
  assert.equal((await as(client).getCaller({})).subject, "client");
  assert.equal((await as(writer).setCaller({})).subject, "writer");
  await assert.rejects(as(client).setCaller({}), { kind: "forbidden", reason: "SCOPE_MISSING" });
});

test("a server that asks for no certificates takes nobody for somebody", async (t) => {
  const { server, client } = await parties(t);
  const { port, peers } = await serve(t, server);
  const guarded = createClient(GuardedEchoService, { address: `localhost:${port}`, tls: client });
  t.after(() => guarded[Symbol.dispose]());
  await assert.rejects(guarded.getCaller({}), { kind: "unauthenticated" });
  await callerOf(t, port, client).echo({ parcel });
  assert.equal(peers[0]?.certificate, undefined);
});

test("callers without a certificate, with a stranger's or with one that has expired are refused", async (t) => {
  const { directory, authority, server, client } = await parties(t);
  const { port, peers } = await serve(t, { ...server, clientCaFile: server.caFile });
  const stranger = await issue(await createAuthority("Other Authority"), "client");
  const expired = await authority.issue({ commonName: "client", notAfter: new Date(Date.now() - 1_000) });
  const refused = [
    trusting(client),
    await writeTlsFiles(directory, "stranger", stranger, authority),
    await writeTlsFiles(directory, "expired", expired, authority),
  ];
  const good = callerOf(t, port, client);
  await good.echo({ parcel });
  for (const tls of refused) await assertUnavailable(callerOf(t, port, tls).echo({ parcel }), /./);
  await good.echo({ parcel });
  assert.equal(peers.length, 2);
});

test("a server's certificate that is replaced is shown to new connections, and open ones go on", async (t) => {
  const { directory, authority, server, client, pairs } = await parties(t);
  const { port, peers } = await serve(t, { ...server, reloadMs });
  assert.equal(await shownAt(port), fingerprintOf(pairs.server));

  const echo = callerOf(t, port, trusting(client));
  const shown = Promise.withResolvers<void>();
  const requests = async function* () {
    yield { parcel };
    await shown.promise;
    yield { parcel };
  };
  const open = echo.converse(requests());
  await open.next();
  const replaced = await issue(authority, "server");
  await writeTlsFiles(directory, "server", replaced, authority);
  // Calls that are made all the while, some of them on new connections.
  await eventually(async () => {
    await echo.echo({ parcel });
    using other = createClient(EchoService, {
      address: `localhost:${port}`,
      tls: trusting(client),
      channelOptions: { "grpc.use_local_subchannel_pool": 1 },
    });
    await other.echo({ parcel });
    return (await shownAt(port)) === fingerprintOf(replaced);
  });
  shown.resolve();
  assert.equal((await all(open)).length, 1);
  const before = peers[0]?.address;
  await echo.echo({ parcel });
  assert.equal(peers.at(-1)?.address, before);
});

test("a certificate that comes before its key is not used until the key is there", async (t) => {
  const { authority, server, client, pairs } = await parties(t);
  const errors: Error[] = [];
  const { port } = await serve(t, { ...server, reloadMs, onError: (error) => errors.push(error) });
  const replaced = await issue(authority, "server");
  await replaceFile(server.certFile, replaced.certificate);
  await eventually(() => errors.length > 0);
  assert.match(
    String(errors[0]?.cause),
    /the key in .*server\.key is not that of the first certificate in .*server\.crt/,
  );
  assert.equal(await shownAt(port), fingerprintOf(pairs.server));
  await callerOf(t, port, trusting(client)).echo({ parcel });
  await replaceFile(server.keyFile, replaced.key);
  await eventually(async () => (await shownAt(port)) === fingerprintOf(replaced));
});

test("a file of authorities that is being written is not used until it is whole", async (t) => {
  const { authority, server, client } = await parties(t);
  const errors: Error[] = [];
  const onError = (error: Error) => errors.push(error);
  const { port } = await serve(t, { ...server, clientCaFile: server.caFile, reloadMs, onError });
  for (const part of ["", authority.certificate.slice(0, 200), "no certificate at all"]) {
    const told = errors.length;
    await writeFile(server.caFile, part);
    await eventually(() => errors.length > told);
    assert.match(String(errors.at(-1)?.cause), /server\.ca must hold certificates in PEM/);
    using echo = createClient(EchoService, {
      address: `localhost:${port}`,
      tls: client,
      channelOptions: { "grpc.use_local_subchannel_pool": 1 },
    });
    await echo.echo({ parcel });
  }
});

test("callers of a new authority get in when it replaces the old one, and those of the old one no more", async (t) => {
  const { directory, authority, server, client } = await parties(t);
  const { port } = await serve(t, { ...server, clientCaFile: server.caFile, reloadMs });
  const another = await createAuthority("Other Authority");
  const newcomer = await writeTlsFiles(directory, "newcomer", await issue(another, "newcomer"), authority);
  const gets = async (tls: ClientTls) => {
    using echo = createClient(EchoService, { address: `localhost:${port}`, tls });
    return await echo.echo({ parcel }).then(
      () => "in",
      (error: AppError) => error.kind,
    );
  };
  assert.deepEqual([await gets(client), await gets(newcomer)], ["in", "unavailable"]);
  const old = callerOf(t, port, client);
  await old.echo({ parcel });

  await replaceFile(server.caFile, another.certificate);
  await eventually(async () => (await gets(newcomer)) === "in");
  assert.equal(await gets(client), "unavailable");
  // Who is in stays in.
  await old.echo({ parcel });
});

test("a TLS session that was begun under an old authority cannot be taken up again", async (t) => {
  const { authority, server, pairs } = await parties(t);
  const { port } = await serve(t, { ...server, clientCaFile: server.caFile, reloadMs });
  const own = { cert: pairs.client.certificate, key: pairs.client.key, ca: authority.certificate };
  /** Connects; answers what can be taken up again, and whether that was done; `undefined` when refused. */
  const begin = async (earlier?: Buffer) => {
    const client = connectHttp2(`https://localhost:${port}`, { ...own, ...(earlier && { session: earlier }) });
    const socket = client.socket as TLSSocket;
    let begun: Buffer | undefined;
    socket.on("session", (session) => {
      begun = session;
    });
    client.on("error", () => {});
    const accepted = new Promise<boolean>((resolve) => {
      client.once("remoteSettings", () => resolve(true));
      client.once("close", () => resolve(false));
    });
    if (!(await accepted)) return undefined;
    const reused = socket.isSessionReused();
    client.destroy();
    return { begun, reused };
  };
  const first = await begin();
  assert.equal((await begin(first?.begun))?.reused, true);
  await replaceFile(server.caFile, (await createAuthority("Other Authority")).certificate);
  await eventually(async () => (await begin()) === undefined);
  assert.equal(await begin(first?.begun), undefined);
});

test("a client's files that are replaced are used for its next connection", async (t) => {
  const { directory, authority, server, client } = await parties(t);
  const first = await serve(t, { ...server, clientCaFile: server.caFile }, await lastingPort());
  const echo = callerOf(t, first.port, { ...client, reloadMs });
  await echo.echo({ parcel });

  const another = await createAuthority("Other Authority");
  await writeTlsFiles(directory, "client", await issue(another, "successor"), another);
  await echo.echo({ parcel });
  await first.server.drain(1_000);
  const moved = await writeTlsFiles(directory, "moved", await issue(another, "server"), another);
  const second = await serve(t, { ...moved, clientCaFile: moved.caFile }, first.port);
  await eventually(() =>
    echo.echo({ parcel }).then(
      () => true,
      () => false,
    ),
  );
  assert.equal(second.peers[0]?.certificate?.commonName, "successor");
  assert.equal(first.peers.length, 2);
  assert.equal(authority.certificate === another.certificate, false);
});

test("a client's files that were replaced before it first connects are used at once", async (t) => {
  const { directory, server, client } = await parties(t);
  const another = await createAuthority("Other Authority");
  const moved = await writeTlsFiles(directory, "moved", await issue(another, "server"), another);
  const { port, peers } = await serve(t, { ...moved, clientCaFile: moved.caFile });
  const echo = callerOf(t, port, client);
  await writeTlsFiles(directory, "client", await issue(another, "successor"), another);
  await echo.echo({ parcel });
  assert.equal(peers[0]?.certificate?.commonName, "successor");
  assert.notEqual(server.certFile, moved.certFile);
});

const spoilers: Readonly<Record<string, { spoil(file: string): Promise<void>; because: RegExp }>> = {
  "is missing": { spoil: (file) => rm(file), because: /cannot be read: ENOENT/ },
  "is a folder": {
    spoil: async (file) => {
      await rm(file);
      await mkdir(file);
    },
    because: /cannot be read: EISDIR/,
  },
  "is empty": { spoil: (file) => writeFile(file, ""), because: /must hold/ },
  "holds something else": { spoil: (file) => writeFile(file, "tea\n"), because: /must hold/ },
  "is cut off": {
    spoil: async (file) => writeFile(file, (await readFile(file, "utf8")).slice(0, 100)),
    because: /must hold/,
  },
};

for (const [part, what] of [
  ["certFile", "the certificate file"],
  ["keyFile", "the key file"],
  ["caFile", "the file of authorities"],
] as const)
  for (const [how, { spoil, because }] of Object.entries(spoilers))
    test(`${what} that ${how} is an error at the start that names it`, async (t) => {
      const { server, client } = await parties(t);
      await spoil(server[part]);
      await spoil(client[part]);
      const names = (file: string) => (error: Error) =>
        error.message.startsWith(`tls: ${what} ${file} `) && because.test(error.message);
      await assert.rejects(serve(t, { ...server, clientCaFile: server.caFile }), names(server[part]));
      assert.throws(() => callerOf(t, 1, client), names(client[part]));
    });

test("a key that is not that of its certificate is an error at the start that names both", async (t) => {
  const { server, client } = await parties(t);
  const mixed = { ...client, keyFile: server.keyFile };
  const message = `tls: the key in ${server.keyFile} is not that of the first certificate in ${client.certFile}`;
  await assert.rejects(serve(t, mixed), { message });
  assert.throws(() => callerOf(t, 1, mixed), { message });
  assert.throws(() => callerOf(t, 1, { certFile: client.certFile }), /certFile and keyFile are given together/);
});

test("a server that has drained and a client that is disposed of read their files no more", async (t) => {
  const { server, client } = await parties(t);
  const told = { stopped: 0, watching: 0 };
  const tell = (who: keyof typeof told) => ({
    reloadMs,
    onError: () => {
      told[who] += 1;
    },
  });
  const stopped = await serve(t, { ...server, ...tell("stopped") });
  const caller = callerOf(t, stopped.port, { ...client, ...tell("stopped") });
  await caller.echo({ parcel });
  caller[Symbol.dispose]();
  await stopped.server.drain(1_000);

  await serve(t, { ...server, ...tell("watching") });
  await rm(client.certFile);
  for (const time of [1, 2, 3, 4, 5]) {
    await writeFile(server.certFile, `no certificate, ${time}`);
    await eventually(() => told.watching === time);
  }
  assert.equal(told.stopped, 0);
});

test("instances of shoal:///echo are those whose certificate is for echo, mutual TLS included", async (t) => {
  const { directory, authority, client } = await parties(t);
  const serveAs = async (name: string) => {
    const pair = await authority.issue({ commonName: name, hosts: [name] });
    const files = await writeTlsFiles(directory, `as-${name}`, pair, authority);
    return await serve(t, { ...files, clientCaFile: files.caFile });
  };
  const callAt = async (port: number) => {
    const registry = openRegistry(`static:echo=127.0.0.1:${port}`);
    t.after(() => registry.close());
    using echo = createClient(EchoService, { address: "shoal:///echo", registry, tls: client });
    return await echo.echo({ parcel });
  };
  const echo = await serveAs("echo");
  assert.equal((await callAt(echo.port)).parcel?.name, parcel.name);
  assert.equal(echo.peers[0]?.certificate?.commonName, "client");
  const other = await serveAs("other");
  await assert.rejects(callAt(other.port), { kind: "unavailable", message: /echo/ });
  assert.equal(other.peers.length, 0);
});

/** Runs a program that imports what it needs from this library; answers what it prints when it ends by itself. */
async function run(t: TestContext, program: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const source = `
    import { echoing } from "./hardening/tested-server.ts";
import { createClient, createServer, implement } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
    ${program}`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", source], {
    cwd: import.meta.dirname,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  await once(child, "close");
  assert.equal(child.exitCode, 0);
  return output;
}

test("watching files keeps no process alive", async (t) => {
  const { server, client } = await parties(t);
  const { port } = await serve(t, { ...server, clientCaFile: server.caFile });
  const program = `
    const server = createServer({ services: [], errorDomain: "shoal.test" });
    await server.listen({ host: "127.0.0.1", port: 0, tls: ${JSON.stringify(server)} });
    // Never disposed of.
    const client = createClient(EchoService, { address: "localhost:${port}", tls: ${JSON.stringify(client)} });
    console.log((await client.echo({ parcel: { name: "tea" } })).parcel?.name);
    await server.drain(1_000);`;
  assert.equal(await run(t, program), "tea\n");
});

test("authorities that NODE_EXTRA_CA_CERTS adds are trusted, with a certificate of one's own and without", async (t) => {
  const { server, client } = await parties(t);
  const { port, peers } = await serve(t, server);
  const { certFile, keyFile } = client;
  const program = `
    for (const tls of [{}, ${JSON.stringify({ certFile, keyFile })}]) {
      using client = createClient(EchoService, { address: "localhost:${port}", tls });
      await client.echo({ parcel: { name: "tea" } });
    }`;
  await run(t, program, {
    NODE_EXTRA_CA_CERTS: client.caFile,
    // grpc-js would take the authorities from there.
    GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: undefined,
  });
  assert.equal(peers.length, 2);
});

test("a peer that accepts a connection and never begins TLS is given up", async (t) => {
  const { client } = await parties(t);
  const silent = createTcpServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.after(() => silent.close());
  const { port } = silent.address() as { port: number };
  const echo = createClient(EchoService, {
    address: `localhost:${port}`,
    tls: trusting(client),
    connectTimeoutMs: 100,
  });
  t.after(() => echo[Symbol.dispose]());
  await assertUnavailable(echo.echo({ parcel }), /did not begin to talk HTTP\/2 within 100 ms/);
});
