import assert from "node:assert/strict";
import { test } from "node:test";
import { type MeasuredWorkload, reportWorkloads } from "./resilience-report.ts";
import type { WorkloadGroup } from "./workloads.ts";

const measured = (group: WorkloadGroup, name: string, ns: readonly number[], bytes: number): MeasuredWorkload => ({
  workload: { group, name, what: `${group} ${name}` },
  costs: ns.map((one) => ({ ns: one, bytes })),
});

const report = reportWorkloads([
  measured("breaker", "closed", [50, 70, 60], 48),
  measured("call", "cockatiel", [100, 400, 200], 1_000),
  measured("call", "shoal", [50, 100, 200], 500),
  measured("limit", "token-bucket", [40, 50, 60], 16),
]);

test("the headlines come first: what a closed breaker costs, and how many decisions a token bucket makes in a second", () => {
  assert.deepEqual(report.rows.slice(0, 2), [
    { bench: "resilience", name: "resilience.breaker.ns", value: 60, unit: "ns/call", baseline: null, ratio: null },
    {
      bench: "resilience",
      name: "resilience.token_bucket.ops",
      value: 20_000_000,
      unit: "decisions/s",
      baseline: null,
      ratio: null,
    },
  ]);
});

test("calls are compared with cockatiel's of the same round", () => {
  const row = report.rows.find(({ name }) => name === "resilience.call.shoal.ns");
  assert.deepEqual(row, {
    bench: "resilience",
    name: "resilience.call.shoal.ns",
    value: 100,
    unit: "ns/call",
    baseline: 200,
    ratio: 0.5,
  });
  const [, calls] = report.tables;
  assert.deepEqual(calls?.lines[1], ["call shoal", "100", "75.0 - 150", "500", "×0.50"]);
});

test("what has not been measured is not there", () => {
  assert.equal(report.tables.length, 3);
  const { rows, tables } = reportWorkloads([measured("call", "cockatiel", [1], 1)]);
  assert.deepEqual(
    rows.map(({ name }) => name),
    ["resilience.call.cockatiel.ns", "resilience.call.cockatiel.bytes"],
  );
  assert.equal(tables.length, 1);
});
