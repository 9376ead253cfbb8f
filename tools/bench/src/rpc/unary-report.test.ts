import assert from "node:assert/strict";
import { test } from "node:test";
import type { UnarySample } from "./unary.ts";
import { reportUnary } from "./unary-report.ts";

function sample(throughput: number, others = 0): UnarySample {
  const costs = { clientCpu: 100, serverCpu: 50, clientAllocation: 40_000, serverAllocation: 20_000 };
  return { throughput, p50: 5, p99: 20, ...costs, others };
}

const settings = { rounds: 3, seconds: 1 };

test("the value is the median of the rounds, the ratio the median of their ratios", () => {
  const { rows } = reportUnary(
    new Map([
      ["grpc-js", [sample(1_000), sample(4_000), sample(2_000)]],
      ["shoal", [sample(900), sample(2_000), sample(1_600)]],
    ]),
    settings,
  );
  const figures = { unit: "calls/s", value: 1_600, baseline: 2_000, ratio: 0.8 };
  assert.deepEqual(rows[0], { bench: "rpc", name: "rpc.unary.throughput", ...figures });
  const named = (name: string) => rows.find((row) => row.name === name);
  assert.deepEqual(named("rpc.unary.throughput.shoal"), {
    bench: "rpc",
    name: "rpc.unary.throughput.shoal",
    ...figures,
  });
  assert.equal(named("rpc.unary.throughput.grpc-js")?.ratio, 1);
});

test("each peer has a row of each measure and a line of the table", () => {
  const result = new Map([
    ["grpc-js", [sample(1)]],
    ["nestjs", [sample(2)]],
  ] as const);
  const { rows, tables } = reportUnary(result, settings);
  assert.deepEqual(
    rows.filter(({ name }) => name.endsWith(".nestjs")).map(({ name }) => name),
    ["throughput", "p50", "p99", "client-cpu", "server-cpu", "client-allocation", "server-allocation"].map(
      (measure) => `rpc.unary.${measure}.nestjs`,
    ),
  );
  assert.deepEqual(
    tables[0]?.lines.map(([peer]) => peer),
    ["grpc-js", "nestjs"],
  );
});

test("without the headline's peer there is no headline", () => {
  const { rows } = reportUnary(new Map([["grpc-js", [sample(1)]]]), settings);
  assert.ok(!rows.some(({ name }) => name === "rpc.unary.throughput"));
});

test("says when other processes took a part of the machine", () => {
  const notes = (others: number) => reportUnary(new Map([["grpc-js", [sample(1, others)]]]), settings).tables[0]?.notes;
  assert.match(notes(0.31)?.at(-1) ?? "", /^Other processes took 31 % of the machine meanwhile/);
  assert.doesNotMatch(notes(0.04)?.at(-1) ?? "", /Other processes/);
});
