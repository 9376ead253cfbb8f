import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createLogger } from "@shoal/telemetry";
import { startAdminServer } from "./admin-server.ts";

const silent = { write: () => {} };

async function start(t: TestContext, token: string) {
  const log = createLogger("fixture", "info", silent);
  const admin = await startAdminServer("127.0.0.1", 0, { token, log, inUse: () => ({ connections: [] }) });
  t.after(() => admin.close());
  const ask = (path: string, init: RequestInit = {}, sent = token) =>
    fetch(`http://127.0.0.1:${admin.port}/debug/${path}`, { ...init, headers: { authorization: `Bearer ${sent}` } });
  return { log, ask };
}

test("nobody may look without the token, and nobody at all where none is set", async (t) => {
  const { ask, log } = await start(t, "s3cret");
  for (const sent of ["", "s3cre", "s3cret2", "x"]) {
    const response = await ask("log-level/debug", { method: "PUT" }, sent);
    assert.equal(response.status, 401);
    assert.match(await response.text(), /ADMIN_TOKEN/);
  }
  assert.equal(log.level, "info");
  const off = await start(t, "");
  assert.equal((await off.ask("handles")).status, 403);
  assert.equal((await off.ask("cpu", {}, "")).status, 403);
});

test("a profile of the processor is one that DevTools opens, and names what was at work", async (t) => {
  const { ask } = await start(t, "s3cret");
  const asked = ask("cpu?seconds=0.3");
  const busy = setInterval(function spinForTheProfile() {
    const until = performance.now() + 15;
    while (performance.now() < until);
  }, 20);
  t.after(() => clearInterval(busy));
  const second = ask("cpu?seconds=0.1");
  const response = await asked;
  assert.match(String(response.headers.get("content-disposition")), /\.cpuprofile"$/);
  const { nodes, samples, timeDeltas } = (await response.json()) as {
    nodes: { callFrame: { functionName: string } }[];
    samples: number[];
    timeDeltas: number[];
  };
  assert.ok(nodes.some(({ callFrame }) => callFrame.functionName === "spinForTheProfile"));
  assert.equal(samples.length, timeDeltas.length);
  assert.equal((await second).status, 409, "one at a time");
});

test("the heap can be had as a snapshot, and as a profile of what is allocated", async (t) => {
  const { ask } = await start(t, "s3cret");
  const snapshot = (await (await ask("heap")).json()) as { snapshot: { node_count: number } };
  assert.ok(snapshot.snapshot.node_count > 1_000);
  const profile = (await (await ask("allocations?seconds=0.1")).json()) as { head: object; samples: unknown[] };
  assert.ok(Array.isArray(profile.samples) && typeof profile.head === "object");
});

test("handles, and the log's level, and what is not understood", async (t) => {
  const { ask, log } = await start(t, "s3cret");
  const { handles, inUse } = (await (await ask("handles")).json()) as {
    handles: Record<string, number>;
    inUse: object;
  };
  assert.ok((handles["TCPServerWrap"] ?? 0) >= 1);
  assert.deepEqual(inUse, { connections: [] });
  assert.equal((await ask("log-level/debug", { method: "PUT" })).status, 200);
  assert.equal(log.level, "debug");
  assert.equal((await ask("log-level/loud", { method: "PUT" })).status, 400);
  assert.equal((await ask("cpu?seconds=9999")).status, 400);
  const unknown = await ask("nothing");
  assert.equal(unknown.status, 404);
  assert.match(await unknown.text(), /GET \/debug\/cpu/);
});
