import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { AppError } from "@shoal/kernel";
import { createClient, createServer, type HandlerContext, implement, Metadata, type ServiceHandlers } from "@shoal/rpc";
import { forward } from "./forward.ts";

const refused = new AppError({
  kind: "precondition",
  reason: "PARCEL_TOO_HEAVY",
  domain: "shoal.echo",
  message: "it is too heavy",
  preconditions: [{ subject: "parcel", description: "it must weigh less" }],
  metadata: { grams: "5000" },
});

/** A service, a gateway before it, and a client of the gateway. */
async function start(t: TestContext, more: Partial<ServiceHandlers<typeof EchoService>> = {}) {
  const contexts: HandlerContext[] = [];
  const seen = <R>(context: HandlerContext, answer: R): R => {
    contexts.push(context);
    context.responseHeaders.set("x-header", "before");
    context.responseTrailers.set("x-trailer", "after");
    return answer;
  };
  const handlers: ServiceHandlers<typeof EchoService> = {
    echo: async ({ parcel }, context) => seen(context, { ...(parcel && { parcel }) }),
    echoAgain: async (_, context) => seen(context, Promise.reject(refused)),
    collect: async (requests, context) => {
      let count = 0n;
      for await (const _ of requests) count += 1n;
      return seen(context, { count });
    },
    repeat: async function* ({ count }, context) {
      seen(context, undefined);
      for (let n = 0n; n < count; n += 1n) yield { parcel: { name: String(n) } };
    },
    converse: async function* (requests, context) {
      seen(context, undefined);
      for await (const { parcel } of requests) yield { ...(parcel && { parcel }) };
    },
    ...more,
  };
  const service = createServer({ services: [implement(EchoService, handlers)], errorDomain: "shoal.echo" });
  const port = await service.listen({ host: "127.0.0.1", port: 0 });
  const inner = createClient(EchoService, { address: `127.0.0.1:${port}` });
  const gateway = createServer({ services: [forward(EchoService, inner)], errorDomain: "shoal.gateway" });
  const client = createClient(EchoService, {
    address: `127.0.0.1:${await gateway.listen({ host: "127.0.0.1", port: 0 })}`,
  });
  t.after(async () => {
    client[Symbol.dispose]();
    await gateway.drain(0);
    inner[Symbol.dispose]();
    await service.drain(0);
  });
  return { client, contexts };
}

async function* parcels(...names: readonly string[]) {
  for (const name of names) yield { parcel: { name } };
}

async function namesOf(answers: AsyncIterable<{ parcel?: { name: string } | undefined }>): Promise<unknown[]> {
  const names: unknown[] = [];
  for await (const { parcel } of answers) names.push(parcel?.name);
  return names;
}

test("calls of all four kinds go through", async (t) => {
  const { client } = await start(t);
  assert.equal((await client.echo({ parcel: { name: "one" } })).parcel?.name, "one");
  assert.equal((await client.collect(parcels("a", "b", "c"))).count, 3n);
  assert.deepEqual(await namesOf(client.repeat({ count: 3n })), ["0", "1", "2"]);
  assert.deepEqual(await namesOf(client.converse(parcels("a", "b"))), ["a", "b"]);
});

test("metadata goes through in both directions, and the context with it", async (t) => {
  const { client, contexts } = await start(t);
  const metadata = new Metadata();
  metadata.set("authorization", "Bearer x");
  metadata.set("x-blob-bin", Buffer.from([0, 255]));
  metadata.set("x-request-id", "the-request");
  metadata.set("idempotency-key", "once");
  const got: string[] = [];
  const onHeaders = (headers: Metadata) => got.push(String(headers.get("x-header")));
  const onTrailers = (trailers: Metadata) => got.push(String(trailers.get("x-trailer")));
  await client.echo({}, { metadata, onHeaders, onTrailers, timeoutMs: 2_000 });
  assert.deepEqual(got, ["before", "after"]);
  const [context] = contexts;
  assert.ok(context);
  assert.deepEqual(context.requestMetadata.get("authorization"), ["Bearer x"]);
  assert.deepEqual(context.requestMetadata.get("x-blob-bin"), [Buffer.from([0, 255])]);
  assert.equal(context.requestId, "the-request");
  assert.equal(context.idempotencyKey, "once");
  assert.ok(context.deadline < Date.now() + 2_000, "the gateway keeps some of the time for itself");
});

test("a failure comes through with its reason, domain and details", async (t) => {
  const { client } = await start(t);
  await assert.rejects(client.echoAgain({}), {
    kind: refused.kind,
    reason: refused.reason,
    domain: refused.domain,
    message: refused.message,
    preconditions: refused.preconditions,
    metadata: refused.metadata,
  });
});

for (const name of ["that leaves", "whose time is over"])
  test(`a caller ${name} ends the call behind the gateway`, { timeout: 20_000 }, async (t) => {
    const entered = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    const { client } = await start(t, {
      echo: async (_, { signal }) => {
        entered.resolve();
        await once(signal, "abort");
        aborted.resolve();
        throw signal.reason;
      },
    });
    // Over connections that stand the next call gets there in time.
    await client.repeat({}).next();
    const leaving = new AbortController();
    const options = name === "that leaves" ? { signal: leaving.signal } : { timeoutMs: 1_000 };
    const rejected = assert.rejects(client.echo({}, options));
    await entered.promise;
    leaving.abort();
    await rejected;
    await aborted.promise;
  });
