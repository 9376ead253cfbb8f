import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { AppError, type ErrorKind, isAppError } from "@shoal/kernel";
import { startTested } from "../hardening/tested-server.ts";
import { type ClientCallEnd, type ClientFallbacks, type ClientOptions, createClient } from "./client.ts";
import type { ResilienceEvent } from "./resilience-events.ts";

const path = "/shoal.echo.v1.EchoService/Echo";

/** A client of a server whose Echo fails with such an error, and what it tells. */
async function start(
  t: TestContext,
  kind: ErrorKind | undefined,
  fallbacks: NonNullable<ClientFallbacks<typeof EchoService>["fallbacks"]>,
  options: Partial<ClientOptions> = {},
) {
  const { port } = await startTested(t, {
    echo: async () => {
      if (kind === undefined) return { parcel: { name: "fresh" } };
      throw new AppError({ kind, reason: "BROKEN", domain: "test", message: "it is broken" });
    },
  });
  const ends: ClientCallEnd[] = [];
  const events: ResilienceEvent[] = [];
  const client = createClient(EchoService, {
    address: `127.0.0.1:${port}`,
    fallbacks,
    onCallEnd: (end) => ends.push(end),
    onResilienceEvent: (event) => events.push(event),
    ...options,
  });
  t.after(() => client[Symbol.dispose]());
  return { client, ends, events };
}

for (const kind of ["unavailable", "exhausted", "timeout"] as const)
  test(`a call that fails as ${kind} gets the fallback's answer, and its end tells of both`, async (t) => {
    const { client, ends, events } = await start(t, kind, {
      echo: ({ parcel }, { reason }) => ({ parcel: { name: `${parcel?.name} in place of ${reason}` } }),
    });
    const { parcel } = await client.echo({ parcel: { name: "stale" } });
    assert.equal(parcel?.name, "stale in place of BROKEN");
    const [end] = ends;
    assert.equal(ends.length, 1);
    assert.equal(end?.degraded, true);
    assert.ok(isAppError(end.error, "BROKEN"));
    assert.notEqual(end.code, "OK");
    assert.deepEqual(events, [{ type: "fallback", path, state: "used", error: end.error, fallbackError: undefined }]);
  });

for (const kind of ["invalid", "missing", "precondition", "forbidden", "internal", "cancelled"] as const)
  test(`a call that fails as ${kind} has no fallback`, async (t) => {
    const { client, ends } = await start(t, kind, { echo: () => assert.fail("it is not asked") });
    await assert.rejects(client.echo({}), (error) => isAppError(error) && error.kind === kind);
    assert.equal(ends[0]?.degraded, false);
  });

test("a call that succeeds, and one of a method without a fallback, go on without one", async (t) => {
  const { client, ends } = await start(t, undefined, { echo: () => assert.fail("it is not asked") });
  assert.equal((await client.echo({})).parcel?.name, "fresh");
  await client.echoAgain({});
  assert.deepEqual(
    ends.map(({ code, degraded }) => [code, degraded]),
    [
      ["OK", false],
      ["OK", false],
    ],
  );
});

test("what the client itself holds back has a fallback too, and so has what a layer refuses", async (t) => {
  const fallbacks = { echo: async () => ({ parcel: { name: "stale" } }) };
  const policies = { [path]: { breaker: { kind: "circuit", options: { minimumCalls: 1 } } as const } };
  const { client, events } = await start(t, "unavailable", fallbacks, { policies });
  for (let n = 0; n < 3; n += 1) assert.equal((await client.echo({})).parcel?.name, "stale");
  const reasons = events.flatMap((event) => (event.type === "fallback" ? [(event.error as AppError).reason] : []));
  assert.deepEqual(reasons, ["BROKEN", "CIRCUIT_OPEN", "CIRCUIT_OPEN"]);
  const refusal = new AppError({ kind: "exhausted", reason: "NO", domain: "test", message: "no" });
  const refusing = await start(t, undefined, fallbacks, { middleware: [() => Promise.reject(refusal)] });
  assert.equal((await refusing.client.echo({})).parcel?.name, "stale");
});

test("a fallback that has no answer, or fails itself, leaves the call's own failure; why it fails is told", async (t) => {
  const without = await start(t, "unavailable", { echo: () => undefined });
  await assert.rejects(without.client.echo({}), (error) => isAppError(error, "BROKEN"));
  assert.deepEqual([without.events, without.ends[0]?.degraded], [[], false]);
  const fallbackError = new Error("no cache");
  const failing = await start(t, "unavailable", { echo: () => Promise.reject(fallbackError) });
  await assert.rejects(failing.client.echo({}), (error) => isAppError(error, "BROKEN"));
  const [{ error } = {}] = failing.ends;
  assert.deepEqual(failing.events, [{ type: "fallback", path, state: "failed", error, fallbackError }]);
  assert.equal(Reflect.get(error ?? {}, "fallbackError"), fallbackError);
  const senseless = await start(t, "unavailable", {
    echo: () => ({
      get parcel(): never {
        throw new TypeError("it can be no message");
      },
    }),
  });
  await assert.rejects(senseless.client.echo({}), (error) => isAppError(error, "BROKEN"));
  assert.deepEqual([senseless.events.length, senseless.ends[0]?.degraded], [1, false]);
});

test("fallbacks are typed by their methods", () => {
  const create = (fallbacks: NonNullable<ClientFallbacks<typeof EchoService>["fallbacks"]>) => fallbacks;
  create({ echo: async ({ parcel = {} }, { kind }) => (kind === "timeout" ? { parcel } : undefined) });
  // @ts-expect-error: its answer has no such field
  create({ echo: () => ({ count: 1n }) });
  // @ts-expect-error: it answers with a stream
  create({ repeat: () => ({}) });
});

test("a fallback of a method that there is not, or that streams, is refused", () => {
  for (const name of ["ecco", "repeat"]) {
    const fallbacks = { [name]: () => undefined };
    assert.throws(
      () => createClient(EchoService, { address: "localhost:1", fallbacks }),
      new RegExp(`no method ${name} `),
    );
  }
});
