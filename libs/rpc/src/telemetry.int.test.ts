import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AlwaysOffSampler,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { AppError, currentContext } from "@shoal/kernel";
import { Metrics } from "@shoal/telemetry";
import { until } from "@shoal/testkit";
import { createClient } from "./client/client.ts";
import { clientTelemetry } from "./client/client-telemetry.ts";
import { eventually, startTested } from "./hardening/tested-server.ts";
import { serverTelemetry } from "./server/server-telemetry.ts";

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

/** Keeps the spans and the figures of one part, which samples calls that come from outside unless told not to. */
function observe(t: TestContext, samples = true) {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
    ...(!samples && { sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }) }),
  });
  t.after(() => provider.shutdown());
  const metrics = new Metrics();
  return {
    instruments: { metrics, tracer: provider.getTracer("test") },
    spans: (): readonly ReadableSpan[] => exporter.getFinishedSpans(),
    /** The values, or the counts of histograms, of one instrument by its labels but for those that never differ. */
    figures: async (name: string) => {
      const { resourceMetrics } = await metrics.collect();
      const metric = resourceMetrics.scopeMetrics[0]?.metrics.find(({ descriptor }) => descriptor.name === name);
      return (metric?.dataPoints ?? []).map(({ attributes, value }) => [
        Object.entries(attributes)
          .filter(([label]) => label !== "rpc.system.name" && label !== "grpc.target")
          .map(([, text]) => String(text).replace("shoal.echo.v1.EchoService/", "")),
        typeof value === "number" ? value : value.count,
      ]);
    },
  };
}

const unavailable = new AppError({ kind: "unavailable", reason: "AWAY", domain: "shoal.echo", message: "away" });

async function twoHops(t: TestContext, { sampled = true } = {}) {
  const [outer, inner, caller] = [observe(t), observe(t), observe(t, sampled)];
  let failures = 0;
  const innerTraceIds: (string | undefined)[] = [];
  const second = await startTested(
    t,
    {
      echoAgain: async () => {
        innerTraceIds.push(trace.getActiveSpan()?.spanContext().traceId);
        if (failures-- > 0) throw unavailable;
        return {};
      },
    },
    { telemetry: serverTelemetry(inner.instruments) },
  );
  const onward = createClient(EchoService, {
    address: `127.0.0.1:${second.port}`,
    telemetry: clientTelemetry(outer.instruments),
  });
  t.after(() => onward[Symbol.dispose]());
  const requestIds: (string | undefined)[] = [];
  const first = await startTested(
    t,
    {
      echo: async () => {
        requestIds.push(currentContext()?.requestId);
        trace.getActiveSpan()?.setAttribute("seen", "by the handler");
        await onward.echoAgain({});
        return {};
      },
    },
    { telemetry: serverTelemetry(outer.instruments) },
  );
  const client = createClient(EchoService, {
    address: `127.0.0.1:${first.port}`,
    telemetry: clientTelemetry(caller.instruments),
  });
  t.after(() => client[Symbol.dispose]());
  return { outer, inner, caller, client, requestIds, innerTraceIds, fail: (times: number) => (failures = times) };
}

test("a call, and the call that is made for it, are one trace, each span below the one that led to it", async (t) => {
  const { outer, inner, caller, client, requestIds } = await twoHops(t);
  await client.echo({});
  await eventually(() => inner.spans().length === 1 && outer.spans().length === 2);
  const [called] = caller.spans();
  const [served, onward] = [SpanKind.SERVER, SpanKind.CLIENT].map((kind) =>
    outer.spans().find((span) => span.kind === kind),
  );
  const [innermost] = inner.spans();
  assert.ok(called !== undefined && served !== undefined && onward !== undefined && innermost !== undefined);
  const path = [called, served, onward, innermost];
  const ids = path.map((span) => span.spanContext());
  assert.equal(new Set(ids.map(({ traceId }) => traceId)).size, 1);
  assert.deepEqual(
    path.map(({ parentSpanContext }) => parentSpanContext?.spanId),
    [undefined, ids[0]?.spanId, ids[1]?.spanId, ids[2]?.spanId],
  );
  assert.deepEqual(
    path.map(({ name, kind }) => `${SpanKind[kind]} ${name}`),
    [
      "CLIENT shoal.echo.v1.EchoService/Echo",
      "SERVER shoal.echo.v1.EchoService/Echo",
      "CLIENT shoal.echo.v1.EchoService/EchoAgain",
      "SERVER shoal.echo.v1.EchoService/EchoAgain",
    ],
  );
  assert.equal(served.attributes["seen"], "by the handler");
  assert.equal(served.attributes["rpc.status_code"], "OK");
  assert.equal(called.attributes["server.address"], "127.0.0.1");
  assert.deepEqual(requestIds, [ids[0]?.traceId], "the request's id is its trace's");
});

test("a call that is not sampled is not sampled further on either, and is in the same trace everywhere", async (t) => {
  const { outer, inner, caller, client, requestIds, innerTraceIds } = await twoHops(t, { sampled: false });
  await client.echo({});
  await until("the inner call has ended", async () => (await inner.figures("rpc.server.call.duration")).length === 1);
  assert.deepEqual([...caller.spans(), ...outer.spans(), ...inner.spans()], []);
  assert.match(requestIds[0] ?? "", /^[0-9a-f]{32}$/);
  assert.deepEqual(innerTraceIds, requestIds);
});

test("how calls ended is told by their spans and counted by method and code, retries as attempts of one call", async (t) => {
  const { outer, inner, client, fail } = await twoHops(t);
  fail(1);
  await client.echo({});
  fail(100);
  await assert.rejects(client.echo({}));
  await eventually(() => outer.spans().length === 4);
  assert.deepEqual(await outer.figures("rpc.server.call.duration"), [
    [["Echo", "OK"], 1],
    [["Echo", "UNAVAILABLE", "UNAVAILABLE"], 1],
  ]);
  assert.deepEqual(await outer.figures("rpc.client.call.duration"), [
    [["EchoAgain", "OK"], 1],
    [["EchoAgain", "UNAVAILABLE", "UNAVAILABLE"], 1],
  ]);
  const attempts = inner.spans().length;
  assert.deepEqual(await outer.figures("grpc.client.attempt.started"), [[["EchoAgain"], attempts]]);
  assert.deepEqual(await outer.figures("grpc.client.attempt.duration"), [
    [["EchoAgain", "UNAVAILABLE"], attempts - 1],
    [["EchoAgain", "OK"], 1],
  ]);
  assert.deepEqual(await outer.figures("shoal.rpc.server.active_calls"), [[["Echo"], 0]]);
  const failed = outer.spans().filter(({ status }) => status.code === SpanStatusCode.ERROR);
  assert.deepEqual(
    failed.map(({ kind, attributes }) => [SpanKind[kind], attributes["error.type"], attributes["shoal.error.reason"]]),
    [
      ["CLIENT", "UNAVAILABLE", "AWAY"],
      ["SERVER", "UNAVAILABLE", "AWAY"],
    ],
  );
});

test("a client's breakers, budget and connections are told as they are, until it is disposed of", async (t) => {
  const { instruments, figures } = observe(t);
  let away = false;
  const answer = async () => {
    if (away) throw unavailable;
    return {};
  };
  const servers = await Promise.all([1, 2].map(() => startTested(t, { echo: answer, echoAgain: answer })));
  const breaker = { kind: "circuit", options: { minCalls: 4, openMs: 60_000 } } as const;
  const client = createClient(EchoService, {
    address: `ipv4:${servers.map(({ port }) => `127.0.0.1:${port}`).join()}`,
    balancing: "round_robin",
    policies: { "/shoal.echo.v1.EchoService/Echo": { breaker } },
    telemetry: clientTelemetry(instruments),
  });
  const breakersOf = async (method: string) =>
    (await figures("shoal.rpc.client.breakers")).filter(([labels]) => (labels as string[])[0] === method);
  const endpoints = (ready: number) => [
    [["ready"], ready],
    [["connecting"], 0],
    [["ejected"], 0],
  ];
  assert.deepEqual(await figures("shoal.rpc.client.endpoints"), endpoints(0));
  await client.echo({});
  await until("it is connected", async () => (await figures("shoal.rpc.client.connections"))[0]?.[1] === 2);
  await Promise.all([client.echo({}), client.echo({})]);
  assert.deepEqual(await figures("shoal.rpc.client.endpoints"), endpoints(2));
  assert.deepEqual(await breakersOf("Echo"), [
    [["Echo", "closed"], 2],
    [["Echo", "half-open"], 0],
    [["Echo", "open"], 0],
  ]);
  away = true;
  await until("both breakers are open", async () => {
    await assert.rejects(client.echo({}));
    return (await breakersOf("Echo"))[2]?.[1] === 2;
  });
  assert.deepEqual(await figures("shoal.rpc.client.waiting_calls"), [[[], 0]]);
  const [[, tokens] = []] = await figures("shoal.rpc.client.retry_budget.tokens");
  assert.equal(tokens, 100);
  client[Symbol.dispose]();
  for (const gauge of ["breakers", "endpoints", "connections", "waiting_calls", "retry_budget.tokens"])
    assert.deepEqual(await figures(`shoal.rpc.client.${gauge}`), [], gauge);
});
