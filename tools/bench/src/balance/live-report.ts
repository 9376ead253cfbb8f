import type { BenchReport, BenchRow } from "../bench.ts";
import { formatFigure, roundFigure } from "../report.ts";
import { quantile } from "../statistics.ts";
import { callsPerSecond, type LiveCall, type LiveResult, livePhases } from "./live.ts";

/**
 * The figures of the live part. Rows are `balance.live.<phase>.<policy>.<measure>`; the baseline of latencies is that of
 * the same policy while all are well.
 */
export function reportLive(result: LiveResult): BenchReport {
  const lines = livePhases.flatMap(({ what }, phase) => [
    [what],
    ...[...result].map(([policy, calls]) => [`  ${policy}`, ...cellsOf(calls[phase] ?? [], calls[0] ?? [])]),
  ]);
  const table = {
    title: `Three real servers, ${callsPerSecond} calls/s`,
    columns: ["", "p50 ms", "p99 ms", "× healthy", "errors %", "first's share %"],
    lines,
    notes: ["Latencies of calls that succeeded. A call on a connection that breaks fails: Echo is not to be repeated."],
  };
  const rows = livePhases.flatMap(({ name }, phase) =>
    [...result].flatMap(([policy, calls]) =>
      rowsOf(`balance.live.${name}.${policy}`, calls[phase] ?? [], calls[0] ?? []),
    ),
  );
  return { tables: [table], rows };
}

function figuresOf(calls: readonly LiveCall[]) {
  const answered = calls.filter(({ servedBy }) => servedBy !== undefined);
  const latencies = answered.map(({ tookMs }) => tookMs);
  return {
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    errors: 1 - answered.length / calls.length,
    firstShare: answered.filter(({ servedBy }) => servedBy === "first").length / calls.length,
  };
}

function cellsOf(calls: readonly LiveCall[], healthy: readonly LiveCall[]): readonly string[] {
  const { p50, p99, errors, firstShare } = figuresOf(calls);
  return [
    formatFigure(p50),
    formatFigure(p99),
    `×${(p99 / figuresOf(healthy).p99).toFixed(2)}`,
    formatFigure(errors * 100),
    formatFigure(firstShare * 100),
  ];
}

function rowsOf(prefix: string, calls: readonly LiveCall[], healthy: readonly LiveCall[]): readonly BenchRow[] {
  const { p50, p99, errors, firstShare } = figuresOf(calls);
  const usual = figuresOf(healthy);
  const latency = (name: string, value: number, baseline: number): BenchRow => {
    const ratio = roundFigure(value / baseline);
    return { bench: "balance", name: `${prefix}.${name}`, value: roundFigure(value), unit: "ms", baseline, ratio };
  };
  const share = (name: string, value: number): BenchRow => {
    return {
      bench: "balance",
      name: `${prefix}.${name}`,
      value: roundFigure(value),
      unit: "",
      baseline: null,
      ratio: null,
    };
  };
  return [
    latency("p50", p50, roundFigure(usual.p50)),
    latency("p99", p99, roundFigure(usual.p99)),
    share("errors", errors),
    share("first-share", firstShare),
  ];
}
