import assert from "node:assert/strict";
import { test } from "node:test";
import { context, ROOT_CONTEXT, TraceFlags, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AlwaysOnSampler,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { Metrics } from "@shoal/telemetry";
import { outboxTelemetry } from "./outbox-telemetry.ts";

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

const madeIn = "0af7651916cd43dd8448eb211c80319c";
const event = {
  seq: 1n,
  topic: "order",
  key: "o1",
  version: 1,
  payload: "{}",
  atMs: 0,
  traceparent: `00-${madeIn}-b7ad6b7169203331-01`,
};

test("who is not sampled still has a span for what is: on the trace of the change", async (t) => {
  const exporter = new InMemorySpanExporter();
  const sampler = new ParentBasedSampler({ root: new AlwaysOnSampler() });
  const provider = new TracerProvider({ sampler, spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  t.after(() => provider.shutdown());
  const observer = outboxTelemetry({ metrics: new Metrics(), tracer: provider.getTracer("test") });
  const readBy = (traceFlags: TraceFlags) => {
    exporter.reset();
    const reader = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", traceFlags };
    const span = traceFlags === TraceFlags.SAMPLED ? provider.getTracer("test").startSpan("watch") : undefined;
    const active = span === undefined ? trace.setSpanContext(ROOT_CONTEXT, reader) : trace.setSpan(ROOT_CONTEXT, span);
    context.with(active, () => observer.onRead([event]))();
    const [read] = exporter.getFinishedSpans();
    assert.equal(read?.links[0]?.context.traceId, madeIn);
    return { traceId: read?.spanContext().traceId, own: span?.spanContext().traceId };
  };
  assert.equal(readBy(TraceFlags.NONE).traceId, madeIn);
  const sampled = readBy(TraceFlags.SAMPLED);
  assert.equal(sampled.traceId, sampled.own);
});
