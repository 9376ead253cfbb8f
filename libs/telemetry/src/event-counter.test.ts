import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { createEventCounter } from "./event-counter.ts";

test("events are counted by what they are, and not by what may have any number of values", async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
  const count = createEventCounter(provider.getMeter("shoal"));
  for (let port = 0; port < 1_000; port += 1) {
    const event = { type: "breaker", path: "/a.B/C", from: "closed", to: "open", instance: `127.0.0.1:${port}` };
    count(event);
  }
  const shedding = { type: "shedding", priority: "sheddable", refusing: true, limit: 17 };
  count(shedding);
  await provider.forceFlush();
  const points = exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
    .flatMap(({ dataPoints }) => dataPoints.map(({ attributes, value }) => ({ attributes, value })));
  assert.deepEqual(points, [
    { attributes: { type: "breaker", path: "/a.B/C", from: "closed", to: "open" }, value: 1_000 },
    { attributes: { type: "shedding", priority: "sheddable", refusing: true }, value: 1 },
  ]);
  await provider.shutdown();
});

test("without a meter provider nothing is counted, and nothing fails", () => {
  createEventCounter()({ type: "retry" });
});
