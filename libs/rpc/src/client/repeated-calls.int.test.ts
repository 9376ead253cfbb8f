import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMethodServerStreaming, toBinary } from "@bufbuild/protobuf";
import { anyPack, MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import type { Metadata } from "@grpc/grpc-js";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { RetryInfoSchema } from "@shoal/contracts/google/rpc/error_details";
import { StatusSchema } from "@shoal/contracts/google/rpc/status";
import { AppError, isAppError } from "@shoal/kernel";
import { toGrpcStatus } from "../errors.ts";
import { framed } from "../hardening/raw-client.ts";
import {
  answer,
  clientOf,
  data,
  headers,
  parcel,
  type Step,
  startRawServer,
  trailers,
} from "../hardening/raw-server.ts";
import { echoing, eventually, startTested, type TestedServer } from "../hardening/tested-server.ts";
import { LivePolicies } from "../live-policies.ts";
import type { MethodPolicy } from "../policy.ts";
import { createClient } from "./client.ts";
import type { ResilienceEvent } from "./resilience-events.ts";

const path = "/shoal.echo.v1.EchoService/EchoAgain";
const streamPath = "/shoal.echo.v1.EchoService/Repeat";
const quick = { maxAttempts: 3, initialBackoffMs: 5, maxBackoffMs: 10, backoffMultiplier: 2, codes: ["UNAVAILABLE"] };
const hedging = { maxAttempts: 3, delayMs: 50, nonFatalCodes: ["UNAVAILABLE"] };
const retried = { [path]: { retry: quick } };
const hedged = { [path]: { retry: undefined, hedging } };
const unavailable: readonly Step[] = [
  headers({ ":status": "200", "content-type": "application/grpc", "grpc-status": "14" }, { end: true }),
];

function broken(more: { readonly retryAfterMs?: number } = {}): AppError {
  return new AppError({ kind: "unavailable", reason: "BROKEN", domain: "test", message: "it is broken", ...more });
}

/** As EchoService, but its stream of answers may be asked for again. */
const repeat: DescMethodServerStreaming = { ...EchoService.method.repeat, idempotency: Idempotency.NO_SIDE_EFFECTS };
const Repeatable: typeof EchoService = {
  ...EchoService,
  methods: EchoService.methods.map((method) => (method.localName === "repeat" ? repeat : method)),
};

function streamingClient(t: TestContext, port: number, policy: Partial<MethodPolicy>) {
  const client = createClient(Repeatable, { address: `127.0.0.1:${port}`, policies: { [streamPath]: policy } });
  t.after(() => client[Symbol.dispose]());
  return client;
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const taken: T[] = [];
  for await (const item of items) taken.push(item);
  return taken;
}

const addressOf = (servers: readonly TestedServer[]) => `ipv4:${servers.map(({ port }) => `127.0.0.1:${port}`).join()}`;

test("a server is told how many attempts there were before, and the caller gets the headers of the one that counts", async (t) => {
  const server = await startTested(t, {
    echoAgain: async (_, context) => {
      context.responseHeaders.set("attempt", String(server.entered.length));
      context.sendHeaders();
      if (server.entered.length < 3) throw broken();
      return {};
    },
  });
  const told: Metadata[] = [];
  await clientOf(t, server.port, { policies: retried }).echoAgain({}, { onHeaders: (got) => told.push(got) });
  assert.deepEqual(
    told.map((got) => got.get("attempt")),
    [["3"]],
  );
  assert.deepEqual(
    server.entered.map(({ requestMetadata }) => requestMetadata.get("grpc-previous-rpc-attempts")),
    [[], ["1"], ["2"]],
  );
});

test("a callback that fails on the headers of the attempt that counts fails the call", async (t) => {
  const server = await startTested(t);
  const onHeaders = () => {
    throw new Error("no such header");
  };
  const call = clientOf(t, server.port, { policies: retried }).echoAgain({}, { onHeaders });
  await assert.rejects(call, /^Error: no such header$/);
});

test("policies that change are kept to from the next call on, within what the client began with", async (t) => {
  const server = await startRawServer(t, () => unavailable);
  const policies = new LivePolicies({ [path]: { retry: { ...quick, maxAttempts: 2 }, maxResponseBytes: 1_000 } });
  const client = clientOf(t, server.port, { policies });
  await assert.rejects(client.echoAgain({}));
  assert.equal(server.calls, 2);
  policies.replace({ [path]: { retry: { ...quick, maxAttempts: 5 } } });
  await assert.rejects(client.echoAgain({}));
  assert.equal(server.calls, 2 + 5);
  policies.replace({ [path]: { retry: undefined } });
  await assert.rejects(client.echoAgain({}));
  assert.equal(server.calls, 2 + 5 + 1);
  const raised = { [path]: { maxResponseBytes: 10_000_000 } };
  assert.throws(() => policies.replace(raised), /EchoAgain: maxResponseBytes cannot be raised above/);
  // Whoever is gone is not asked.
  client[Symbol.dispose]();
  policies.replace(raised);
});

test("a request is encoded and looked at once, however many attempts there are", async (t) => {
  let looks = 0;
  const server = await startTested(t, {
    echoAgain: async () => {
      if (server.entered.length < 3) throw broken();
      return {};
    },
  });
  const client = clientOf(t, server.port, {
    policies: retried,
    middleware: [
      async (call, next) => {
        call.onRequest(() => {
          looks += 1;
        });
        await next();
      },
    ],
  });
  await client.echoAgain({});
  assert.deepEqual([looks, server.entered.length], [1, 3]);
});

test("a failure's RetryInfo is waited for at least", async (t) => {
  const times: number[] = [];
  const server = await startTested(t, {
    echoAgain: async () => {
      times.push(performance.now());
      if (times.length === 1) throw broken({ retryAfterMs: 300 });
      return {};
    },
  });
  await clientOf(t, server.port, { policies: retried }).echoAgain({});
  const [first = 0, second = 0] = times;
  assert.ok(second - first >= 290, `${second - first} ms`);
});

test("further attempts go to other instances", async (t) => {
  const seen = new Map<string, Set<number>>();
  const start = (n: number) =>
    startTested(t, {
      echoAgain: async ({ parcel: sent }) => {
        const key = sent?.name ?? "";
        const instances = seen.get(key) ?? new Set();
        seen.set(key, instances.add(n));
        if (instances.size < 3) throw broken();
        return {};
      },
    });
  const servers = await Promise.all([start(0), start(1), start(2)]);
  for (const policy of [{ retry: quick }, { retry: undefined, hedging }]) {
    const policies = { [path]: { ...policy, breaker: undefined } };
    const balancing = { policy: "p2c_ewma", ejection: false } as const;
    const client = clientOf(t, addressOf(servers), { balancing, policies });
    const reached = () => servers.every(({ entered }) => entered.length > 0);
    while (!reached()) await client.echo({});
    seen.clear();
    // With attempts by chance one of these calls would surely go to an instance twice, and fail.
    for (let n = 0; n < 12; n += 1) await client.echoAgain({ parcel: { name: `call ${n}` } });
    assert.ok([...seen.values()].every(({ size }) => size === 3));
  }
});

test("what is found on the caller's own side is not tried again", async (t) => {
  const server = await startRawServer(t, () => answer(Buffer.alloc(2_000)));
  const retry = { ...quick, codes: ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "INVALID_ARGUMENT"] };
  const client = clientOf(t, server.port, {
    policies: { [path]: { retry, maxResponseBytes: 1_000, maxRequestBytes: 100 } },
  });
  await assert.rejects(client.echoAgain({}), (error) => isAppError(error, "RESPONSE_TOO_LARGE"));
  assert.equal(server.calls, 1);
  await assert.rejects(client.echoAgain({ parcel: { payload: Buffer.alloc(200) } }), (error) =>
    isAppError(error, "REQUEST_TOO_LARGE"),
  );
  assert.equal(server.calls, 1);
});

test("what a server finds too large is not tried again either: another attempt would be as large", async (t) => {
  const events: ResilienceEvent[] = [];
  const callTo = async (server: TestedServer, reason: string) => {
    const policies = { [path]: { retry: { ...quick, codes: ["RESOURCE_EXHAUSTED"] } } };
    const client = clientOf(t, server.port, { policies, onResilienceEvent: (event) => events.push(event) });
    const failure = await client.echoAgain({ parcel: { payload: Buffer.alloc(2_000) } }).catch((error) => error);
    assert.ok(isAppError(failure, reason), String(failure));
    // The caller's own callers hear that too.
    assert.deepEqual(toGrpcStatus(failure).metadata.get("grpc-retry-pushback-ms"), ["-1"]);
  };
  const answering = await startTested(t, {}, { policies: { [path]: { maxResponseBytes: 1_000 } } });
  await callTo(answering, "RESPONSE_TOO_LARGE");
  assert.equal(answering.entered.length, 1);
  const byMethod = await startTested(t, {}, { policies: { [path]: { maxRequestBytes: 1_000 } } });
  await callTo(byMethod, "REQUEST_TOO_LARGE");
  assert.equal(byMethod.ends.length, 1);
  // What grpc-js itself finds too large.
  const byServer = await startTested(t, {}, { channelOptions: { "grpc.max_receive_message_length": 1_000 } });
  await callTo(byServer, "REQUEST_TOO_LARGE");
  assert.deepEqual(events, []);
});

test("a response that the client finds too large is final for its own callers, whoever finds it", async (t) => {
  const server = await startTested(t);
  const policies = { [path]: { maxResponseBytes: 1_000 } };
  for (const channelOptions of [{}, { "grpc.max_receive_message_length": 1_000 }]) {
    const client = clientOf(t, server.port, { policies, channelOptions });
    const failure = await client.echoAgain({ parcel: { payload: Buffer.alloc(2_000) } }).catch((error) => error);
    assert.ok(isAppError(failure, "RESPONSE_TOO_LARGE"), String(failure));
    assert.deepEqual(toGrpcStatus(failure).metadata.get("grpc-retry-pushback-ms"), ["-1"]);
  }
});

test("a client that is disposed of in a pause makes no further attempt", async (t) => {
  const server = await startRawServer(t, () => unavailable);
  const retry = { ...quick, initialBackoffMs: 2_000, maxBackoffMs: 2_000 };
  const client = createClient(EchoService, { address: `127.0.0.1:${server.port}`, policies: { [path]: { retry } } });
  const call = client.echoAgain({});
  call.catch(() => {});
  await eventually(() => server.calls === 1);
  client[Symbol.dispose]();
  await assert.rejects(call, (error) => isAppError(error) && error.kind === "unavailable");
  assert.equal(server.calls, 1);
});

test("when most calls fail there are no further attempts, until calls succeed again; both is told", async (t) => {
  let isBroken = true;
  const server = await startTested(t, {
    echoAgain: async () => {
      if (isBroken) throw broken();
      return {};
    },
  });
  const events: ResilienceEvent[] = [];
  const client = clientOf(t, server.port, {
    policies: { [path]: { retry: quick, breaker: undefined } },
    onResilienceEvent: (event) => events.push(event),
  });
  const states = () => events.filter((event) => event.type === "retry-budget").map(({ state }) => state);
  while (states().length === 0) await assert.rejects(client.echoAgain({}));
  const before = server.entered.length;
  // 50 tokens may be spent.
  assert.equal(before, 50);
  for (let n = 0; n < 10; n += 1) await assert.rejects(client.echoAgain({}));
  assert.equal(server.entered.length, before + 10);
  assert.ok(events.some((event) => event.type === "refused" && event.by === "retry-budget"));
  isBroken = false;
  // Calls of all methods count.
  while (states().length === 1) await client.echo({});
  for (let n = 0; n < 50; n += 1) await client.echo({});
  assert.deepEqual(states(), ["exhausted", "refilled"]);
  isBroken = true;
  const refilled = server.entered.length;
  await assert.rejects(client.echoAgain({}));
  assert.ok(server.entered.length > refilled + 1);
});

test("streams: before the first sign of an answer they are tried again", async (t) => {
  const server = await startRawServer(t, (n) => (n < 2 ? unavailable : [headers(), data(framed(parcel)), trailers()]));
  const client = streamingClient(t, server.port, { retry: quick });
  const told: Metadata[] = [];
  assert.equal((await all(client.repeat({ count: 1n }, { onHeaders: (got) => told.push(got) }))).length, 1);
  assert.deepEqual([server.calls, told.length], [3, 1]);
});

test("streams: an end without answers ends them, well or badly", async (t) => {
  const empty = [headers({ ":status": "200", "content-type": "application/grpc", "grpc-status": "0" }, { end: true })];
  const server = await startRawServer(t, (n) => (n === 1 ? empty : unavailable));
  const client = streamingClient(t, server.port, { retry: quick });
  assert.equal((await all(client.repeat({}))).length, 0);
  await assert.rejects(all(client.repeat({})), (error) => isAppError(error) && error.kind === "unavailable");
  assert.equal(server.calls, 2 + 3);
});

test("streams: once there are headers they are not tried again", async (t) => {
  const server = await startRawServer(t, () => [headers(), headers({ "grpc-status": "14" }, { end: true })]);
  const client = streamingClient(t, server.port, { retry: quick });
  await assert.rejects(all(client.repeat({})), (error) => isAppError(error) && error.kind === "unavailable");
  assert.equal(server.calls, 1);
});

test("streams: many answers come through in their order, after other attempts have failed", async (t) => {
  const count = 20_000n;
  const server = await startTested(t, {
    repeat: async function* (request, context) {
      if (server.entered.length === 1) throw broken();
      let number = 0n;
      for await (const _ of echoing.repeat(request, context)) {
        yield { parcel: { number } };
        number += 1n;
      }
    },
  });
  const client = streamingClient(t, server.port, { retry: quick });
  let expected = 0n;
  for await (const { parcel: got } of client.repeat({ count })) {
    assert.equal(got?.number, expected);
    expected += 1n;
  }
  assert.equal(expected, count);
  assert.equal(server.entered.length, 2);
});

test("streams: a reader that leaves before there are answers cancels the attempt", async (t) => {
  const server = await startTested(t, {
    repeat: async function* (_, { signal }) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      yield {};
    },
  });
  const client = streamingClient(t, server.port, { retry: quick });
  const controller = new AbortController();
  const reading = all(client.repeat({ count: 1n }, { signal: controller.signal }));
  reading.catch(() => {});
  await eventually(() => server.entered.length === 1);
  controller.abort();
  await assert.rejects(reading, (error) => isAppError(error) && error.kind === "cancelled");
  await eventually(() => server.entered[0]?.signal.aborted === true);
  assert.equal(server.entered.length, 1);
});

test("streams: the first attempt of several to answer is read, and the others are cancelled", async (t) => {
  const server = await startTested(t, {
    repeat: async function* (request, context) {
      const n = server.entered.length;
      if (n < 3) await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      yield* echoing.repeat(request, context);
    },
  });
  const client = streamingClient(t, server.port, { retry: undefined, hedging });
  assert.equal((await all(client.repeat({ count: 100n }))).length, 100);
  assert.equal(server.entered.length, 3);
  await eventually(() => server.entered.slice(0, 2).every(({ signal }) => signal.aborted));
});

test("hedging: the losers' handlers are told that nobody waits any more, on whichever instance they are", async (t) => {
  const order: TestedServer[] = [];
  const start = async () => {
    const server: TestedServer = await startTested(t, {
      echoAgain: async (_, { signal }) => {
        order.push(server);
        if (order.length < 3) await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return {};
      },
    });
    return server;
  };
  const servers = await Promise.all([start(), start(), start()]);
  const events: ResilienceEvent[] = [];
  const client = clientOf(t, addressOf(servers), {
    balancing: "p2c_ewma",
    policies: hedged,
    onResilienceEvent: (event) => events.push(event),
  });
  while (!servers.every(({ entered }) => entered.length > 0)) await client.echo({});
  // Longer than the test may take: it is not the deadline that ends them.
  await client.echoAgain({}, { timeoutMs: 600_000 });
  assert.equal(new Set(order).size, 3);
  await eventually(() => order.slice(0, 2).every(({ entered }) => entered.at(-1)?.signal.aborted === true));
  const attempts = events.filter((event) => event.type === "hedge").map(({ attempt }) => attempt);
  assert.deepEqual(attempts, [2, 3]);
});

for (const balancing of ["pick_first", "p2c_ewma"] as const)
  test(`hedging: an attempt that the breaker refuses does not end the call while another is under way, ${balancing}`, async (t) => {
    let isBroken = true;
    const server = await startTested(t, {
      echoAgain: async () => {
        if (isBroken) throw broken();
        return await new Promise((resolve) => setTimeout(() => resolve({}), 300));
      },
    });
    const breaker = { kind: "circuit", options: { minimumCalls: 1, probes: 1, openMs: 50 } } as const;
    const events: ResilienceEvent[] = [];
    const client = clientOf(t, addressOf([server]), {
      balancing,
      policies: { [path]: { retry: undefined, hedging, breaker } },
      onResilienceEvent: (event) => events.push(event),
    });
    await assert.rejects(client.echoAgain({}));
    assert.equal(server.entered.length, 1);
    isBroken = false;
    // One probe is let through: the hedges are not.
    await sleep(100);
    await client.echoAgain({});
    assert.equal(server.entered.length, 2);
    assert.ok(events.some((event) => event.type === "hedge"));
  });

test("hedging: what is only slow is not sent more than a tenth of its calls again, but for a burst at first", async (t) => {
  const server = await startTested(t, {
    echoAgain: () => new Promise((resolve) => setTimeout(() => resolve({}), 20)),
  });
  const client = clientOf(t, server.port, {
    policies: { [path]: { retry: undefined, hedging: { ...hedging, delayMs: 1 } } },
  });
  const calls = 1_000;
  for (let n = 0; n < calls; n += 50) await Promise.all(Array.from({ length: 50 }, () => client.echoAgain({})));
  t.diagnostic(`${server.entered.length} attempts of ${calls} calls`);
  assert.ok(server.entered.length > calls, "some are hedged");
  assert.ok(server.entered.length <= 1.1 * calls + 51, `${server.entered.length}`);
});

test("a server that wants to be left alone for longer than timers last is not asked again at once", async (t) => {
  const status = create(StatusSchema, {
    code: 14,
    details: [anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: { seconds: 10_000_000n } }))],
  });
  const details = Buffer.from(toBinary(StatusSchema, status)).toString("base64");
  const fields = { ":status": "200", "content-type": "application/grpc", "grpc-status": "14" };
  let calls = 0;
  const server = await startRawServer(t, () => {
    calls += 1;
    return [headers({ ...fields, "grpc-status-details-bin": details }, { end: true })];
  });
  const client = clientOf(t, server.port, { policies: retried });
  const left = new AbortController();
  const call = client.echoAgain({}, { timeoutMs: Number.POSITIVE_INFINITY, signal: left.signal });
  const failed = assert.rejects(call, { kind: "cancelled" });
  await sleep(100);
  left.abort();
  await failed;
  assert.equal(calls, 1);
});
