import assert from "node:assert/strict";
import { test } from "node:test";
import { createEventCounter } from "./event-counter.ts";
import { Metrics } from "./metrics/metrics.ts";

test("events are counted by what they are, and not by what may have any number of values", async () => {
  const metrics = new Metrics();
  const count = createEventCounter(metrics);
  for (let port = 0; port < 1_000; port += 1) {
    const event = { type: "breaker", path: "/a.B/C", from: "closed", to: "open", instance: `127.0.0.1:${port}` };
    count(event);
  }
  const shedding = { type: "shedding", priority: "sheddable", refusing: true, limit: 17 };
  count(shedding);
  const { resourceMetrics } = await metrics.collect();
  const points = resourceMetrics.scopeMetrics
    .flatMap((scope) => scope.metrics)
    .flatMap(({ dataPoints }) => dataPoints.map(({ attributes, value }) => ({ attributes, value })));
  assert.deepEqual(points, [
    { attributes: { type: "breaker", path: "/a.B/C", from: "closed", to: "open" }, value: 1_000 },
    { attributes: { type: "shedding", priority: "sheddable", refusing: true }, value: 1 },
  ]);
});
