import type { BenchReport, BenchRow, Table } from "../bench.ts";
import { formatFigure, roundFigure } from "../report.ts";
import { median } from "../statistics.ts";
import { scenarios } from "./scenarios.ts";
import { type SimulationResult, world } from "./simulate.ts";
import type { SimulatedCase } from "./simulations.ts";

/** Which case is the bench's headline, where it was simulated. */
const headline = { instances: 10, scenario: "slow", policy: "p2c_ewma", ejects: true } as const;

/**
 * The figures of the simulations: medians over the seeds. Rows are `balance.<instances>.<scenario>.<policy>.<measure>`,
 * with `.no-ejection` after the policy where that was off; before them the headline, `balance.p2c_ewma.p99`. The baseline
 * of latencies is that of the same policy and seed where all are well; ratios are medians of each seed's own.
 */
export function reportSimulations(cases: readonly SimulatedCase[]): BenchReport {
  const rows = cases.flatMap((one) => rowsOf(one, cases));
  const first = cases
    .filter((one) => isHeadline(one))
    .map((one) => latencyRow(one, cases, "p99", "balance.p2c_ewma.p99"));
  const sizes = [...new Set(cases.map(({ instances }) => instances))];
  return { tables: sizes.flatMap((instances) => tablesOf(instances, cases)), rows: [...first, ...rows] };
}

function tablesOf(instances: number, cases: readonly SimulatedCase[]): readonly Table[] {
  return scenarios.map(({ name, what }, index): Table => {
    const isLast = index === scenarios.length - 1;
    const shown = cases.filter((one) => one.instances === instances && one.scenario === name);
    return {
      title: `${instances} instances, simulated: ${what}`,
      columns: ["", "p50 ms", "p99 ms", "× healthy", "errors %", "troubled's load", "max/mean", "variation"],
      lines: shown.map((one) => lineOf(one, cases)),
      notes: isLast ? notesOf(shown[0]?.results.length ?? 0) : [],
    };
  });
}

function lineOf(one: SimulatedCase, cases: readonly SimulatedCase[]): readonly string[] {
  const of = (measure: keyof SimulationResult) => medianOf(one, measure);
  return [
    one.ejects ? one.policy : `${one.policy}, no ejection`,
    formatFigure(of("p50")),
    formatFigure(of("p99")),
    `×${ratioOf(one, cases, "p99").toFixed(2)}`,
    formatFigure(of("errors") * 100),
    one.scenario === "healthy" ? "" : of("troubledLoad").toFixed(3),
    of("maxLoad").toFixed(2),
    of("loadVariation").toFixed(3),
  ];
}

function notesOf(seeds: number): readonly string[] {
  const { clients, workers, serviceMs, utilisation, timeoutMs } = world;
  return [
    `${seeds === 1 ? "One seed" : `Medians over ${seeds} seeds`}. ${clients} clients that know nothing of each other, ${workers} calls at a time on an instance,`,
    `${serviceMs} ms each on average, ${utilisation * 100} % of what all can do; a call that takes ${timeoutMs / 1_000} s fails.`,
    "The troubled's load is what it was sent by its even share; the last two are of those without trouble.",
  ];
}

function rowsOf(one: SimulatedCase, cases: readonly SimulatedCase[]): readonly BenchRow[] {
  const { instances, scenario, policy, ejects } = one;
  const prefix = `balance.${instances}.${scenario}.${policy}${ejects ? "" : ".no-ejection"}`;
  const plain = (measure: keyof SimulationResult, name: string): BenchRow => {
    const value = roundFigure(medianOf(one, measure));
    return { bench: "balance", name: `${prefix}.${name}`, value, unit: "", baseline: null, ratio: null };
  };
  return [
    latencyRow(one, cases, "p50", `${prefix}.p50`),
    latencyRow(one, cases, "p99", `${prefix}.p99`),
    plain("errors", "errors"),
    plain("troubledLoad", "troubled-load"),
    plain("maxLoad", "max-load"),
    plain("loadVariation", "load-variation"),
  ];
}

function latencyRow(
  one: SimulatedCase,
  cases: readonly SimulatedCase[],
  measure: "p50" | "p99",
  name: string,
): BenchRow {
  return {
    bench: "balance",
    name,
    value: roundFigure(medianOf(one, measure)),
    unit: "ms",
    baseline: roundFigure(medianOf(healthyOf(one, cases), measure)),
    ratio: roundFigure(ratioOf(one, cases, measure)),
  };
}

function ratioOf(one: SimulatedCase, cases: readonly SimulatedCase[], measure: "p50" | "p99"): number {
  const healthy = healthyOf(one, cases);
  return median(one.results.map((result, seed) => result[measure] / (healthy.results[seed]?.[measure] ?? Number.NaN)));
}

function healthyOf(one: SimulatedCase, cases: readonly SimulatedCase[]): SimulatedCase {
  const { instances, policy } = one;
  return (
    cases.find((other) => other.instances === instances && other.policy === policy && other.scenario === "healthy") ??
    one
  );
}

function medianOf({ results }: SimulatedCase, measure: keyof SimulationResult): number {
  return median(results.map((result) => result[measure]));
}

function isHeadline({ instances, scenario, policy, ejects }: SimulatedCase): boolean {
  const is = headline;
  return instances === is.instances && scenario === is.scenario && policy === is.policy && ejects === is.ejects;
}
