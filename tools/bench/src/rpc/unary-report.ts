import { availableParallelism } from "node:os";
import type { BenchReport, BenchRow } from "../bench.ts";
import { disturbance, formatFigure, roundFigure } from "../report.ts";
import { median, quantile } from "../statistics.ts";
import { baselinePeer, type PeerName } from "./peers.ts";
import { inFlight, type UnaryResult, type UnarySample } from "./unary.ts";

/** Each thing measured: what it is called in names of rows and to people, and its unit. */
const measures: readonly { key: keyof UnarySample; name: string; title: string; unit: string }[] = [
  { key: "throughput", name: "throughput", title: "calls/s", unit: "calls/s" },
  { key: "p50", name: "p50", title: "p50 ms", unit: "ms" },
  { key: "p99", name: "p99", title: "p99 ms", unit: "ms" },
  { key: "clientCpu", name: "client-cpu", title: "client CPU µs", unit: "µs/call" },
  { key: "serverCpu", name: "server-cpu", title: "server CPU µs", unit: "µs/call" },
  { key: "clientAllocation", name: "client-allocation", title: "client heap B", unit: "B/call" },
  { key: "serverAllocation", name: "server-allocation", title: "server heap B", unit: "B/call" },
];

/** Whose throughput is the bench's headline. */
const headlinePeer: PeerName = "shoal";

/**
 * The figures of the rounds: values are medians over the rounds, and ratios are medians of each round's own ratio to
 * the baseline. Rows are `rpc.unary.<measure>.<peer>`; before them the headline, `rpc.unary.throughput`.
 */
export function reportUnary(result: UnaryResult, settings: { rounds: number; seconds: number }): BenchReport {
  const rows = measures.flatMap(({ key, name, unit }) =>
    [...result.keys()].map((peer): BenchRow => {
      const { value, baseline, ratio } = compare(result, peer, key);
      const figures = { value: roundFigure(value), baseline: roundFigure(baseline), ratio: roundFigure(ratio) };
      return { bench: "rpc", name: `rpc.unary.${name}.${peer}`, unit, ...figures };
    }),
  );
  const headline = rows
    .filter(({ name }) => name === `rpc.unary.throughput.${headlinePeer}`)
    .map((row) => ({ ...row, name: "rpc.unary.throughput" }));
  const lines = [...result.keys()].map((peer) => [
    peer,
    ...measures.map(({ key }) => {
      const { value, ratio } = compare(result, peer, key);
      return peer === baselinePeer
        ? `${formatFigure(value)}       `
        : `${formatFigure(value)} ${`×${ratio.toFixed(2)}`.padStart(6)}`;
    }),
  ]);
  const { rounds, seconds } = settings;
  const table = {
    title: `Unary calls, ${inFlight} in flight, server and client in processes of their own on ${availableParallelism()} cores`,
    columns: ["", ...measures.map(({ title }) => title)],
    lines,
    notes: [
      `Medians over ${rounds} rounds of ${seconds} s each; CPU and allocated heap per call; × is the ratio to bare ${baselinePeer}.`,
      ...spread(result),
      ...disturbance([...result.values()].flat().map(({ others }) => others)),
    ],
  };
  return { tables: [table], rows: [...headline, ...rows] };
}

function compare(result: UnaryResult, peer: PeerName, key: keyof UnarySample) {
  const values = valuesOf(result, peer, key);
  const baselines = valuesOf(result, baselinePeer, key);
  return { value: median(values), baseline: median(baselines), ratio: median(ratiosOf(values, baselines)) };
}

function valuesOf(result: UnaryResult, peer: PeerName, key: keyof UnarySample): readonly number[] {
  return (result.get(peer) ?? []).map((sample) => sample[key]);
}

function ratiosOf(values: readonly number[], baselines: readonly number[]): readonly number[] {
  return values.map((value, round) => value / (baselines[round] ?? Number.NaN));
}

/** How much the rounds differ: a difference smaller than this means nothing. */
function spread(result: UnaryResult): readonly string[] {
  const ranges = [...result.keys()]
    .filter((peer) => peer !== baselinePeer)
    .map((peer) => {
      const ratios = ratiosOf(valuesOf(result, peer, "throughput"), valuesOf(result, baselinePeer, "throughput"));
      const [low, high] = [0.25, 0.75].map((part) => quantile(ratios, part).toFixed(2));
      return `${peer} ${low} to ${high}`;
    });
  return ranges.length === 0 ? [] : [`The middle half of the rounds' ratios of calls/s: ${ranges.join(", ")}.`];
}
