import assert from "node:assert/strict";
import { test } from "node:test";
import type { SimulationResult } from "./simulate.ts";
import { reportSimulations } from "./simulation-report.ts";
import type { SimulatedCase } from "./simulations.ts";

const result = (p99: number): SimulationResult => {
  return { calls: 1_000, p50: 10, p99, errors: 0.01, troubledLoad: 0.2, maxLoad: 1.1, loadVariation: 0.05 };
};
const common = { instances: 10, policy: "p2c_ewma", ejects: true } as const;
const cases: readonly SimulatedCase[] = [
  { ...common, scenario: "healthy", results: [result(50), result(100), result(80)] },
  { ...common, scenario: "slow", results: [result(100), result(110), result(120)] },
];

test("the headline is p2c_ewma's p99 with a slow instance, by that of the same seeds where all are well", () => {
  const [headline] = reportSimulations(cases).rows;
  const name = "balance.p2c_ewma.p99";
  assert.deepEqual(headline, { bench: "balance", name, value: 110, unit: "ms", baseline: 80, ratio: 1.5 });
});

test("every figure has one row of its own, and every scenario a table", () => {
  const { rows, tables } = reportSimulations(cases);
  assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
  assert.equal(rows.length, 1 + 2 * 6);
  assert.equal(rows.find(({ name }) => name === "balance.10.slow.p2c_ewma.troubled-load")?.value, 0.2);
  assert.deepEqual(
    tables.map(({ lines }) => lines.length),
    [1, 1, 0, 0],
  );
});
