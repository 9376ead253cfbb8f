import assert from "node:assert/strict";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { AppError, createContext, isAppError, runWithContext } from "@shoal/kernel";
import { Bulkhead } from "@shoal/resilience";
import { until } from "@shoal/testkit";
import { clientOf, listen } from "../hardening/raw-server.ts";
import { eventually, startTested } from "../hardening/tested-server.ts";
import { createClient } from "./client.ts";
import type { ResilienceEvent } from "./resilience-events.ts";

/** A server whose Echo, and whose streams, end when they are told. */
async function startHolding(t: TestContext) {
  const held: (() => void)[] = [];
  const server = await startTested(t, {
    echo: async () => {
      await new Promise<void>((resolve) => held.push(resolve));
      return {};
    },
    repeat: async function* () {
      yield {};
      await new Promise<void>((resolve) => held.push(resolve));
    },
  });
  const release = () => {
    for (const resolve of held.splice(0)) resolve();
  };
  return { server, held, release };
}

const isFull = (error: unknown) => isAppError(error, "BULKHEAD_FULL") && error.kind === "exhausted";

test("of more calls than there may be at once the others fail at once, and are told as refused", async (t) => {
  const events: ResilienceEvent[] = [];
  const { server, held, release } = await startHolding(t);
  const onResilienceEvent = (event: ResilienceEvent) => events.push(event);
  const client = clientOf(t, server.port, { bulkhead: { maxCalls: 2 }, onResilienceEvent });
  const calls = [client.echo({}), client.echo({})];
  await assert.rejects(client.echo({}), isFull);
  await assert.rejects(client.echoAgain({}), isFull);
  await eventually(() => held.length === 2);
  assert.equal(server.entered.length, 2);
  assert.deepEqual(events[0], { type: "refused", path: "/shoal.echo.v1.EchoService/Echo", by: "bulkhead" });
  release();
  await Promise.all(calls);
  await client.echoAgain({});
});

test("a stream has its place while it runs, however it ends", async (t) => {
  const { server, release, held } = await startHolding(t);
  const client = clientOf(t, server.port, { bulkhead: { maxCalls: 1 } });
  const whole = client.repeat({ count: 1n });
  assert.equal((await whole.next()).done, false);
  await assert.rejects(client.echoAgain({}), isFull);
  await eventually(() => held.length === 1);
  release();
  assert.equal((await whole.next()).done, true);
  await client.echoAgain({});
  for await (const _ of client.repeat({ count: 1n })) {
    await assert.rejects(client.echoAgain({}), isFull);
    break;
  }
  // It is over when the server's side, or the cancelled call, has said so.
  await until("there is room again", () => client.echoAgain({}));
});

test("calls that have no connection yet are bounded too", async (t) => {
  const port = await listen(t, createServer());
  const client = clientOf(t, port, { bulkhead: { maxCalls: 3 } });
  const calls = Array.from({ length: 10 }, () =>
    client.echo({}, { timeoutMs: 300 }).then(
      () => "answered",
      (error) => (error instanceof AppError ? error.reason : String(error)),
    ),
  );
  const reasons = await Promise.all(calls);
  assert.equal(reasons.filter((reason) => reason === "BULKHEAD_FULL").length, 7);
  assert.equal(reasons.filter((reason) => reason === "DEADLINE_EXCEEDED").length, 3);
});

test("where calls may wait they get the places that others leave, in their order", async (t) => {
  const { server, held, release } = await startHolding(t);
  const client = clientOf(t, server.port, { bulkhead: { maxCalls: 1, maxWaiting: 2, maxWaitMs: 60_000 } });
  const ended: number[] = [];
  const calls = [0, 1, 2].map((n) => client.echo({}).then(() => ended.push(n)));
  await assert.rejects(client.echo({}), isFull);
  for (const n of [1, 2, 3]) {
    await eventually(() => held.length === 1);
    assert.equal(server.entered.length, n);
    release();
    await eventually(() => ended.length === n);
  }
  await Promise.all(calls);
  assert.deepEqual(ended, [0, 1, 2]);
});

test("a wait ends with its bound, the call's time, its signal and its caller", async (t) => {
  const { server, held, release } = await startHolding(t);
  const bulkhead = { maxCalls: 1, maxWaiting: 10, maxWaitMs: 100 };
  const client = clientOf(t, server.port, { bulkhead });
  const first = client.echo({}, { timeoutMs: 60_000 });
  await eventually(() => held.length === 1);
  await assert.rejects(client.echo({}, { timeoutMs: 60_000 }), isFull);
  const patient = clientOf(t, server.port, { bulkhead: { ...bulkhead, maxWaitMs: 60_000 } });
  const other = patient.echo({}, { timeoutMs: 60_000 });
  await eventually(() => held.length === 2);
  await assert.rejects(patient.echo({}, { timeoutMs: 50 }), isFull);
  const own = new AbortController();
  const cancelled = patient.echo({}, { timeoutMs: 60_000, signal: own.signal });
  own.abort();
  await assert.rejects(cancelled, (error) => isAppError(error) && error.kind === "cancelled");
  const caller = new AbortController();
  const context = createContext({ requestId: "test", signal: caller.signal });
  const left = runWithContext(context, () =>
    patient.echo({}, { timeoutMs: 60_000, signal: new AbortController().signal }),
  );
  caller.abort();
  await assert.rejects(left, (error) => isAppError(error) && error.kind === "cancelled");
  assert.equal(server.entered.length, 2);
  release();
  await Promise.all([first, other]);
});

test("a call that a layer has given up while it waited is not sent", async (t) => {
  const { server, held, release } = await startHolding(t);
  const bulkhead = new Bulkhead({ name: "echo", maxCalls: 1, maxWaiting: 1, maxWaitMs: 60_000 });
  const first = clientOf(t, server.port, { bulkhead }).echo({});
  await eventually(() => held.length === 1);
  const giveUp = Promise.withResolvers<void>();
  const middleware = [(_: unknown, next: () => Promise<void>) => Promise.race([next(), giveUp.promise])];
  const second = clientOf(t, server.port, { bulkhead, middleware }).echo({}, { timeoutMs: 60_000 });
  await eventually(() => bulkhead.waiting === 1);
  giveUp.reject(new Error("enough"));
  await assert.rejects(second, /^Error: enough$/);
  release();
  await first;
  await eventually(() => bulkhead.inside === 0);
  assert.equal(server.entered.length, 1);
});

test("one bulkhead may stand before several clients, and be changed while they are in use", async (t) => {
  const { server, held, release } = await startHolding(t);
  const bulkhead = new Bulkhead({ name: "echo", maxCalls: 1 });
  const [one, other] = [clientOf(t, server.port, { bulkhead }), clientOf(t, server.port, { bulkhead })];
  const calls = [one.echo({})];
  await assert.rejects(other.echo({}), isFull);
  bulkhead.setOptions({ maxCalls: 2 });
  calls.push(other.echo({}));
  await assert.rejects(other.echo({}), isFull);
  await eventually(() => held.length === 2);
  release();
  await Promise.all(calls);
  assert.equal(bulkhead.inside, 0);
});

test("calls that are never sent leave no place taken", async (t) => {
  const { server } = await startHolding(t);
  const bulkhead = new Bulkhead({ name: "echo", maxCalls: 1 });
  const client = createClient(EchoService, { address: `127.0.0.1:${server.port}`, bulkhead });
  await assert.rejects(client.echoAgain({}, { signal: AbortSignal.abort() }));
  await assert.rejects(client.echoAgain({}, { timeoutMs: 0 }));
  await assert.rejects(client.echoAgain({ parcel: { payload: Buffer.alloc(5_000_000) } }));
  client[Symbol.dispose]();
  await assert.rejects(client.echoAgain({}), (error) => isAppError(error, "CLIENT_CLOSED"));
  assert.equal(bulkhead.inside, 0);
});

test("options out of range are refused", () => {
  const create = (bulkhead: object) => () => createClient(EchoService, { address: "localhost:1", bulkhead });
  assert.throws(create({ maxCalls: 0 }), /^RangeError: maxCalls must be a whole number from 1/);
  assert.throws(create({ maxWaiting: -1 }), /^RangeError: maxWaiting must be a whole number from 0/);
  assert.throws(
    () => createClient(EchoService, { address: "localhost:1", retryBudget: { tokenRatio: 2 } }),
    /^RangeError: tokenRatio must be/,
  );
});
