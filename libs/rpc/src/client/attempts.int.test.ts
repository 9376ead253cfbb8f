import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAppError } from "@shoal/kernel";
import { framed, http2Codes } from "../hardening/raw-client.ts";
import {
  answer,
  clientOf,
  data,
  destroy,
  goaway,
  headers,
  parcel,
  reset,
  type Step,
  startRawServer,
} from "../hardening/raw-server.ts";
import { eventually } from "../hardening/tested-server.ts";
import type { MethodPolicy } from "../policy.ts";

const options = { timeoutMs: 20_000 };
const grpc = { ":status": "200", "content-type": "application/grpc" };

/** A failure without an answer. */
function failing(status: number, more: Record<string, string> = {}): readonly Step[] {
  return [headers({ ...grpc, "grpc-status": String(status), ...more }, { end: true })];
}

const unavailable = failing(14);
/** The first bytes of a message. */
const half = framed(parcel).subarray(0, 7);
const ofKind = (kind: string) => (error: unknown) => isAppError(error) && error.kind === kind;

const path = "/shoal.echo.v1.EchoService/EchoAgain";
const retry = { maxAttempts: 4, initialBackoffMs: 20, maxBackoffMs: 200, backoffMultiplier: 2, codes: ["UNAVAILABLE"] };

const failures: Record<string, { steps: readonly Step[]; retried: boolean; kind?: string }> = {
  "the status that its policy names": { steps: unavailable, retried: true },
  "another status": { steps: failing(10), retried: false, kind: "stale" },
  "a refused stream": { steps: [reset(http2Codes.REFUSED_STREAM)], retried: true },
  "a closed connection": { steps: [destroy], retried: true },
  "a GOAWAY that leaves the call out": { steps: [goaway(-2, http2Codes.NO_ERROR)], retried: true },
  "HTTP 503": { steps: [headers({ ":status": "503" }, { end: true })], retried: true },
  "the status that its policy names, after headers": {
    steps: [headers(), headers({ "grpc-status": "14" }, { end: true })],
    retried: true,
  },
  "a connection that is lost in the midst of the answer": { steps: [headers(), data(half), destroy], retried: true },
};

for (const [name, { steps, retried, kind = "" }] of Object.entries(failures))
  test(`a call that may be repeated is ${retried ? "" : "not "}tried again after ${name}`, async (t) => {
    const server = await startRawServer(t, (n) => (n < 2 ? steps : answer()));
    const client = clientOf(t, server.port);
    if (retried) assert.equal((await client.echoAgain({}, options)).parcel?.name, "as asked");
    else await assert.rejects(client.echoAgain({}, options), ofKind(kind));
    assert.equal(server.calls, retried ? 3 : 1);
  });

test("a call that fails again and again is tried as often as its policy says, and fails as the last attempt did", async (t) => {
  const server = await startRawServer(t, (n) => failing(14, { "grpc-message": `attempt ${n + 1}` }));
  await assert.rejects(clientOf(t, server.port).echoAgain({}, options), /^AppError: attempt 4$/);
  assert.equal(server.calls, 4);
});

test("a server's word on when to try again is obeyed, and so is its word not to", async (t) => {
  const slow = { ...retry, initialBackoffMs: 10_000, maxBackoffMs: 10_000 };
  const pushback = (ms: string) => failing(14, { "grpc-retry-pushback-ms": ms });
  const soon = await startRawServer(t, (n) => (n === 0 ? pushback("300") : answer()));
  const client = clientOf(t, soon.port, { policies: { [path]: { retry: slow } } });
  await client.echoAgain({}, options);
  const [first = 0, second = 0] = soon.times;
  assert.ok(second - first >= 290 && second - first < 8_000, `${second - first} ms`);
  const never = await startRawServer(t, (n) => (n === 0 ? pushback("-1") : answer()));
  await assert.rejects(clientOf(t, never.port).echoAgain({}, options), ofKind("unavailable"));
  assert.equal(never.calls, 1);
});

for (const word of ["soon", "1e99", "99999999999999"])
  test(`a server that asks for another attempt in "${word}" ms gets as many as the policy says, and the call ends`, async (t) => {
    const server = await startRawServer(t, () => failing(14, { "grpc-retry-pushback-ms": word }));
    await assert.rejects(clientOf(t, server.port).echoAgain({}, options), ofKind("unavailable"));
    assert.ok(server.calls <= 4);
  });

test("a call that is cancelled between its attempts makes no more of them", async (t) => {
  const server = await startRawServer(t, () => unavailable);
  const policies = { [path]: { retry: { ...retry, initialBackoffMs: 1_000, maxBackoffMs: 1_000 } } };
  const client = clientOf(t, server.port, { policies });
  const controller = new AbortController();
  const call = client.echoAgain({}, { ...options, signal: controller.signal });
  call.catch(() => {});
  await eventually(() => server.calls === 1);
  await sleep(50);
  controller.abort();
  await assert.rejects(call, ofKind("cancelled"));
  // Mostly 1: a pause is anything up to a second.
  const { calls } = server;
  // Longer than any pause between attempts.
  await sleep(1_300);
  assert.equal(server.calls, calls);
});

test("the time of a call is that of all its attempts together", async (t) => {
  const server = await startRawServer(t, (n) => (n === 0 ? unavailable : []));
  const begun = performance.now();
  await assert.rejects(clientOf(t, server.port).echoAgain({}, { timeoutMs: 500 }), ofKind("timeout"));
  assert.ok(performance.now() - begun < 3_500);
  assert.equal(server.calls, 2);
});

test("a pause that the deadline would not outlast is not begun: the call fails at once, as its attempt did", async (t) => {
  const server = await startRawServer(t, () => failing(14, { "grpc-retry-pushback-ms": "5000" }));
  const begun = performance.now();
  await assert.rejects(clientOf(t, server.port).echoAgain({}, { timeoutMs: 4_000 }), ofKind("unavailable"));
  assert.ok(performance.now() - begun < 3_000);
  assert.equal(server.calls, 1);
});

test("a method that may not be repeated is tried once", async (t) => {
  const server = await startRawServer(t, () => unavailable);
  const client = clientOf(t, server.port);
  await assert.rejects(client.echo({}, options), ofKind("unavailable"));
  assert.equal(server.calls, 1);
});

const hedged = (more: object = {}): Record<string, Partial<MethodPolicy>> => ({
  [path]: { retry: undefined, hedging: { maxAttempts: 3, delayMs: 100, nonFatalCodes: ["UNAVAILABLE"], ...more } },
});

test("hedging: an attempt that hangs is overtaken by the next, and cancelled", async (t) => {
  const server = await startRawServer(t, (n) => (n === 0 ? [] : answer()));
  const client = clientOf(t, server.port, { policies: hedged() });
  await client.echoAgain({}, options);
  assert.equal(server.calls, 2);
  await eventually(() => server.resets.length === 1);
  assert.deepEqual(server.resets, [http2Codes.CANCEL]);
});

test("hedging: a failure that is not fatal begins the next attempt at once, a fatal one ends the call", async (t) => {
  const slow = hedged({ delayMs: 15_000 });
  const soft = await startRawServer(t, (n) => (n === 0 ? unavailable : answer()));
  await clientOf(t, soft.port, { policies: slow }).echoAgain({}, options);
  assert.equal(soft.calls, 2);
  const hard = await startRawServer(t, () => failing(10));
  await assert.rejects(clientOf(t, hard.port, { policies: slow }).echoAgain({}, options), ofKind("stale"));
  assert.equal(hard.calls, 1);
});

test("hedging: attempts that all hang end with the call's time", async (t) => {
  const server = await startRawServer(t, () => []);
  const client = clientOf(t, server.port, { policies: hedged() });
  await assert.rejects(client.echoAgain({}, { timeoutMs: 1_000 }), ofKind("timeout"));
  assert.equal(server.calls, 3);
  await eventually(() => server.resets.length === 3);
});

test("hedging: a server's word on when to try again is obeyed, and so is its word not to", async (t) => {
  const pushback = (ms: string) => failing(14, { "grpc-retry-pushback-ms": ms });
  const slow = hedged({ delayMs: 15_000 });
  const soon = await startRawServer(t, (n) => (n === 0 ? pushback("300") : answer()));
  await clientOf(t, soon.port, { policies: slow }).echoAgain({}, options);
  const [first = 0, second = 0] = soon.times;
  assert.ok(second - first >= 290 && second - first < 12_000, `${second - first} ms`);
  const never = await startRawServer(t, (n) => (n === 0 ? pushback("-1") : answer()));
  await assert.rejects(clientOf(t, never.port, { policies: slow }).echoAgain({}, options), ofKind("unavailable"));
  assert.equal(never.calls, 1);
});
