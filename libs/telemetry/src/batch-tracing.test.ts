import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { context, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { batchTracing } from "./batch-tracing.ts";
import { Metrics } from "./metrics/metrics.ts";

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

/** A batcher's tracing, with a tracer that samples the given part of all traces. */
function tracing(t: TestContext, sampledPart: number) {
  const exporter = new InMemorySpanExporter();
  const sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampledPart) });
  const provider = new TracerProvider({ sampler, spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  t.after(() => provider.shutdown());
  const tracer = provider.getTracer("test");
  return {
    tracer,
    batches: batchTracing({ metrics: new Metrics(), tracer }, "holds"),
    caller: (sampled: boolean) => {
      const context = { traceId: `${(sampled ? "0" : "1").repeat(31)}1`, spanId: "2".repeat(16) };
      const parent = trace.setSpanContext(ROOT_CONTEXT, { ...context, traceFlags: sampled ? 1 : 0, isRemote: true });
      return tracer.startSpan("call", {}, parent);
    },
    ended: (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name),
  };
}

test("a batch goes on the trace of its first sampled caller, and is linked with the others that are sampled", async (t) => {
  const { batches, caller, ended } = tracing(t, 1);
  const callers = [caller(false), caller(true), undefined, caller(true)];
  const [, first, , other] = callers;
  const within = await batches.run(callers, 0, async () => trace.getActiveSpan());
  for (const one of callers) one?.end();
  const [batch, ...more] = ended("holds");
  assert.ok(batch !== undefined && more.length === 0);
  assert.equal(within?.spanContext(), batch.spanContext());
  assert.equal(batch.parentSpanContext?.spanId, first?.spanContext().spanId);
  assert.deepEqual(
    batch.links.map((link) => link.context),
    [other?.spanContext()],
  );
  const linkedWithBatch = ended("call").filter(({ links }) =>
    links.some((link) => link.context.spanId === batch.spanContext().spanId),
  );
  assert.deepEqual(
    linkedWithBatch.map((span) => span.spanContext().spanId),
    [other?.spanContext().spanId],
  );
});

test("a batch of callers of whom none is sampled is not either, also where what has no caller is", async (t) => {
  const { batches, caller, ended } = tracing(t, 1);
  const unsampled = caller(false);
  const within = await batches.run([undefined, unsampled], 0, async () => trace.getActiveSpan());
  assert.equal(within?.spanContext().traceId, unsampled.spanContext().traceId);
  assert.equal(within?.isRecording(), false);
  assert.deepEqual(ended("holds"), []);
});

test("a batch without traced callers may begin a trace", async (t) => {
  const { batches, ended } = tracing(t, 1);
  await batches.run([undefined], 0, async () => {});
  assert.equal(ended("holds").length, 1);
});
