import type { BenchReport, BenchRow, Table } from "../bench.ts";
import { formatFigure, roundFigure } from "../report.ts";
import { median, quantile } from "../statistics.ts";
import type { Cost } from "./workload-process.ts";
import type { Workload, WorkloadGroup } from "./workloads.ts";

/** A workload, and what it cost in each round. */
export interface MeasuredWorkload {
  readonly workload: Pick<Workload, "group" | "name" | "what">;
  readonly costs: readonly Cost[];
}

/** With whom a group's workloads are compared; what is not named is compared with nothing. */
const baselines: Partial<Record<WorkloadGroup, string>> = { call: "cockatiel", "refused-call": "cockatiel" };

/** The name of the row that stands for all, and what it is a copy of. */
const headlines = [
  { name: "resilience.breaker.ns", of: "resilience.breaker.closed.ns" },
  { name: "resilience.token_bucket.ops", of: "resilience.limit.token-bucket.ops" },
] as const;

const goals = { breakerNs: 300, bucketMillions: 5 } as const;

/**
 * Rows are `resilience.<group>.<workload>.<measure>`: medians over the rounds. The baseline of calls is cockatiel's sampling
 * breaker, a ratio the median of each round's own ratio.
 */
export function reportWorkloads(measured: readonly MeasuredWorkload[]): BenchReport {
  const of = (group: WorkloadGroup) => measured.filter(({ workload }) => workload.group === group);
  const rows = measured.flatMap((one) => rowsOf(one, of(one.workload.group)));
  const firsts = headlines.flatMap(({ name, of: copied }) => {
    const row = rows.find((candidate) => candidate.name === copied);
    return row === undefined ? [] : [{ ...row, name }];
  });
  const tables = [
    costTable("What a breaker costs a call", of("breaker"), [
      "Processor time; by the clock it is the same where no other process wants the processor.",
      `At most ${goals.breakerNs} ns and one allocation, the permit, of 48 bytes.`,
    ]),
    costTable("An async call through a breaker, awaited", of("call"), []),
    costTable("An async call that is refused", of("refused-call"), ["Most of it is the error, with its stack."]),
    limitTable(of("limit")),
  ];
  return { tables: tables.filter(({ lines }) => lines.length > 0), rows: [...firsts, ...rows] };
}

function costTable(title: string, measured: readonly MeasuredWorkload[], notes: readonly string[]): Table {
  return {
    title,
    columns: ["", "ns", "middle half", "bytes", "× cockatiel"],
    lines: measured.map((one) => {
      const ratio = ratioOf(one, measured, "ns");
      const ns = one.costs.map((cost) => cost.ns);
      return [
        one.workload.what,
        formatFigure(median(ns)),
        `${formatFigure(quantile(ns, 0.25))} - ${formatFigure(quantile(ns, 0.75))}`,
        formatFigure(median(one.costs.map(({ bytes }) => bytes))),
        ratio === null ? "" : `×${ratio.toFixed(2)}`,
      ];
    }),
    notes,
  };
}

function limitTable(measured: readonly MeasuredWorkload[]): Table {
  return {
    title: "What rate limits decide",
    columns: ["", "million/s", "ns", "bytes"],
    lines: measured.map(({ workload, costs }) => {
      const ns = median(costs.map((cost) => cost.ns));
      return [
        workload.what,
        formatFigure(1_000 / ns),
        formatFigure(ns),
        formatFigure(median(costs.map(({ bytes }) => bytes))),
      ];
    }),
    notes: [`The token bucket: at least ${goals.bucketMillions} million a second in one process.`],
  };
}

function rowsOf(one: MeasuredWorkload, group: readonly MeasuredWorkload[]): readonly BenchRow[] {
  const { workload, costs } = one;
  const prefix = `resilience.${workload.group}.${workload.name}`;
  const bytes = rowOf(`${prefix}.bytes`, "B/call", one, group, "bytes");
  if (workload.group !== "limit") return [rowOf(`${prefix}.ns`, "ns/call", one, group, "ns"), bytes];
  const ops = roundFigure(1e9 / median(costs.map(({ ns }) => ns)));
  return [
    { bench: "resilience", name: `${prefix}.ops`, value: ops, unit: "decisions/s", baseline: null, ratio: null },
    bytes,
  ];
}

function rowOf(
  name: string,
  unit: string,
  one: MeasuredWorkload,
  group: readonly MeasuredWorkload[],
  measure: keyof Cost,
): BenchRow {
  const value = roundFigure(median(one.costs.map((cost) => cost[measure])));
  const baseline = baselineOf(one, group);
  const ratio = ratioOf(one, group, measure);
  return {
    bench: "resilience",
    name,
    value,
    unit,
    baseline: baseline === undefined ? null : roundFigure(median(baseline.costs.map((cost) => cost[measure]))),
    ratio: ratio === null ? null : roundFigure(ratio),
  };
}

function ratioOf(one: MeasuredWorkload, group: readonly MeasuredWorkload[], measure: keyof Cost): number | null {
  const baseline = baselineOf(one, group);
  if (baseline === undefined) return null;
  return median(one.costs.map((cost, round) => cost[measure] / (baseline.costs[round]?.[measure] ?? Number.NaN)));
}

function baselineOf({ workload }: MeasuredWorkload, group: readonly MeasuredWorkload[]): MeasuredWorkload | undefined {
  return group.find((candidate) => candidate.workload.name === baselines[workload.group]);
}
