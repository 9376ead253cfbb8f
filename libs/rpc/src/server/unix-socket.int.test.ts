import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { temporaryDirectory } from "@shoal/testkit";
import { type Client, createClient } from "../client/client.ts";
import { echoing } from "../hardening/tested-server.ts";
import { implement } from "./handlers.ts";
import { createServer, type RpcServer } from "./server.ts";

const parcel = { name: "tea" };

/** A path in a folder that is removed after the test, where nothing is yet. */
async function freePath(t: TestContext, name = "echo.sock"): Promise<string> {
  return join(await temporaryDirectory(t), name);
}

function serverFor(t: TestContext): RpcServer {
  const server = createServer({
    errorDomain: "shoal.test",
    services: [implement(EchoService, echoing)],
  });
  t.after(() => server.drain(0));
  return server;
}

function callerOf(t: TestContext, address: string): Client<typeof EchoService> {
  const client = createClient(EchoService, { address });
  t.after(() => client[Symbol.dispose]());
  return client;
}

async function count(stream: AsyncIterable<unknown>): Promise<number> {
  let items = 0;
  for await (const _ of stream) items += 1;
  return items;
}

/** Leaves a socket behind as a server does that is killed. */
async function leaveSocket(path: string): Promise<void> {
  const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("listening"))`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "close");
  assert.ok((await stat(path)).isSocket());
}

test("all kinds of calls go over a Unix socket", async (t) => {
  const path = await freePath(t);
  assert.equal(await serverFor(t).listen({ path }), 0);
  const echo = callerOf(t, `unix:${path}`);
  const requests = async function* () {
    for (let n = 0; n < 100; n += 1) yield { parcel };
  };
  assert.equal((await echo.echo({ parcel })).parcel?.name, "tea");
  assert.equal((await echo.collect(requests())).count, 100n);
  assert.equal(await count(echo.repeat({ parcel, count: 100n })), 100);
  assert.equal(await count(echo.converse(requests())), 100);
});

test("only its owner may connect to a Unix socket, and it goes when the server drains", async (t) => {
  const path = await freePath(t);
  const server = serverFor(t);
  await server.listen({ path });
  const { mode } = await stat(path);
  assert.equal(mode & 0o777, 0o600);
  await callerOf(t, `unix:${path}`).echo({ parcel });
  await server.drain(1_000);
  assert.equal(existsSync(path), false);
  await serverFor(t).listen({ path });
});

test("one server listens on a port and on a Unix socket", async (t) => {
  const path = await freePath(t);
  const server = serverFor(t);
  const port = await server.listen({ host: "127.0.0.1", port: 0 });
  await server.listen({ path });
  for (const address of [`127.0.0.1:${port}`, `unix:${path}`])
    assert.equal((await callerOf(t, address).echo({ parcel })).parcel?.name, "tea");
});

test("a Unix socket that another server listens on is left to it", async (t) => {
  const path = await freePath(t);
  await serverFor(t).listen({ path });
  const message = `cannot listen on the Unix socket ${path}: another server listens there`;
  await assert.rejects(serverFor(t).listen({ path }), { code: "EADDRINUSE", message });
  assert.equal((await callerOf(t, `unix:${path}`).echo({ parcel })).parcel?.name, "tea");
});

test("a Unix socket whose server was killed is replaced", async (t) => {
  const path = await freePath(t);
  await leaveSocket(path);
  await serverFor(t).listen({ path });
  assert.equal((await callerOf(t, `unix:${path}`).echo({ parcel })).parcel?.name, "tea");
});

test("a file that is no socket is left alone", async (t) => {
  const path = await freePath(t);
  await writeFile(path, "tea");
  const message = `cannot listen on the Unix socket ${path}: there is a file which is no socket; remove it or choose another path`;
  await assert.rejects(serverFor(t).listen({ path }), { code: "EADDRINUSE", message });
  assert.equal(await readFile(path, "utf8"), "tea");
});

test("a Unix socket in a folder that is not there is an error that says so", async (t) => {
  const path = join(await freePath(t), "echo.sock");
  await assert.rejects(serverFor(t).listen({ path }), {
    code: "ENOENT",
    message: /there is no folder .*; make it first/,
  });
});

test("a path that is too long for a Unix socket is an error that says so, and the longest works", async (t) => {
  const directory = await freePath(t, "");
  const longest = join(directory, "x".repeat(103 - directory.length));
  await serverFor(t).listen({ path: longest });
  assert.equal((await callerOf(t, `unix:${longest}`).echo({ parcel })).parcel?.name, "tea");
  const path = join(directory, "x".repeat(200));
  await assert.rejects(serverFor(t).listen({ path }), {
    code: "ENAMETOOLONG",
    message: /bytes; the system takes at most/,
  });
});

test("a path with two slashes is the same as with one", async (t) => {
  const path = await freePath(t);
  await serverFor(t).listen({ path: `/${path}` });
  assert.ok((await stat(path)).isSocket());
});
