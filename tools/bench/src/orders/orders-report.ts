import { availableParallelism } from "node:os";
import type { BenchReport, BenchRow, Table } from "../bench.ts";
import { benchRow, disturbance, formatFigure } from "../report.ts";
import { median, quantile } from "../statistics.ts";
import type { OrderSubject } from "./order-subjects.ts";
import { cells, concurrencies, type OrdersCell, type OrdersResult, type OrdersSample } from "./orders-sample.ts";

/** What is measured as a figure that has a row. */
type Measure = Exclude<keyof OrdersSample, "others" | "failure">;

/** Something measured: what it is called in names of rows and to people, and its unit. */
export interface MeasureWords<K extends string = Measure> {
  readonly key: K;
  readonly name: string;
  readonly title: string;
  readonly unit: string;
}

/** Each thing measured. */
export const measures: readonly MeasureWords[] = [
  { key: "throughput", name: "throughput", title: "orders/s", unit: "orders/s" },
  { key: "p50", name: "p50_ms", title: "p50 ms", unit: "ms" },
  { key: "p99", name: "p99_ms", title: "p99 ms", unit: "ms" },
  { key: "refused", name: "refused", title: "refused/s", unit: "calls/s" },
  { key: "failed", name: "failed", title: "failed", unit: "orders" },
  { key: "clientCpu", name: "client_cpu", title: "client µs", unit: "µs/order" },
  { key: "orderCpu", name: "order_cpu", title: "order µs", unit: "µs/order" },
  { key: "inventoryCpu", name: "inventory_cpu", title: "inventory µs", unit: "µs/order" },
  { key: "userCpu", name: "user_cpu", title: "user µs", unit: "µs/order" },
  { key: "databaseCpu", name: "database_cpu", title: "database µs", unit: "µs/order" },
  { key: "statements", name: "statements", title: "statements", unit: "statements/order" },
  { key: "commits", name: "commits", title: "commits", unit: "commits/order" },
];

/** What is told beside the figures. */
export interface OrdersReportOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly engine: string;
  /** Settings of the database by which commits may be lost. */
  readonly undurable: readonly string[];
}

/** Of each round the figures that are called so. */
type Samples<K extends string> = readonly Readonly<Record<K, number>>[];

type Name = OrderSubject["name"];
type Find = (subject: Name, skus: OrdersCell["skus"], callers: OrdersCell["callers"]) => readonly OrdersSample[];

/**
 * The figures: medians over the rounds; ratios are medians of each round's own. Headlines first, then
 * `orders.<hot|spread>.c<callers>.<measure>` of the services as they are, with the same of `plain` as the baseline, then
 * those of the others as `orders.<subject>.…`. What could not be measured has no row.
 */
export function reportOrders(results: readonly OrdersResult[], options: OrdersReportOptions): BenchReport {
  const find: Find = (subject, skus, callers) =>
    results.find((one) => one.subject === subject && one.cell.skus === skus && one.cell.callers === callers)?.samples ??
    [];
  const names = [...new Set(results.map(({ subject }) => subject))];
  const tables = (["hot", "spread"] as const).map((skus) => tableOf(skus, names, find, options));
  const [first, second] = tables as [Table, Table];
  const last = { ...second, notes: [...second.notes, ...notesOf(results, options)] };
  const byShoal = [...names].sort((a, b) => Number(b === "shoal") - Number(a === "shoal"));
  return {
    tables: [first, last],
    rows: [...headlines(find), ...byShoal.flatMap((name) => cells.flatMap((cell) => rowsOf(name, cell, find)))].filter(
      ({ value }) => Number.isFinite(value),
    ),
  };
}

function headlines(find: Find): readonly BenchRow[] {
  const best = (subject: Name, skus: OrdersCell["skus"]) =>
    bestOf(concurrencies.map((callers) => find(subject, skus, callers)));
  const against = (other: Name, skus: OrdersCell["skus"], callers?: OrdersCell["callers"]) => {
    const of = (subject: Name) => (callers === undefined ? best(subject, skus) : find(subject, skus, callers));
    const at = callers === undefined ? "" : `c${callers}_`;
    return benchRow(`orders.${skus}.${at}vs_${other}`, ratio(of("shoal"), of(other), "throughput"), `of ${other}`);
  };
  return [
    against("plain", "hot"),
    against("echo", "hot"),
    against("plain", "spread"),
    compared("orders.hot.p99_ms", "ms", find("shoal", "hot", 64), find("plain", "hot", 64), "p99"),
    against("plain", "hot", 1),
    against("plain", "hot", 64),
    against("echo", "hot", 64),
  ];
}

function rowsOf(name: Name, { skus, callers }: OrdersCell, find: Find): readonly BenchRow[] {
  const prefix = `${name === "shoal" ? "orders" : `orders.${name}`}.${skus}.c${callers}`;
  const baselines = name === "shoal" ? find("plain", skus, callers) : [];
  return measures.map((measure) =>
    compared(`${prefix}.${measure.name}`, measure.unit, find(name, skus, callers), baselines, measure.key),
  );
}

/** A row of what was measured, with its baseline. */
export function compared<K extends string>(
  name: string,
  unit: string,
  samples: Samples<K>,
  baselines: Samples<K>,
  key: K,
): BenchRow {
  return benchRow(name, middle(samples, key), unit, middle(baselines, key), ratio(samples, baselines, key));
}

/** Of each round the sample with the most throughput, of those with several numbers of callers; none where one has none. */
function bestOf(byCallers: readonly (readonly OrdersSample[])[]): readonly OrdersSample[] {
  const [first = []] = byCallers;
  return first.flatMap((_, round) => {
    const samples = byCallers.flatMap((of) => of[round] ?? []);
    return samples.toSorted((a, b) => b.throughput - a.throughput).slice(0, 1);
  });
}

/** The median of the rounds; NaN where a round has none. Failures are not to be outvoted: of them the sum. */
export function middle<K extends string>(samples: Samples<K>, key: K): number {
  const values = samples.map((sample) => sample[key]);
  if (values.length === 0 || values.some(Number.isNaN)) return Number.NaN;
  return key === "failed" ? values.reduce((sum, value) => sum + value, 0) : median(values);
}

function ratiosOf<K extends string>(samples: Samples<K>, baselines: Samples<K>, key: K): readonly number[] {
  return samples.map((sample, round) => sample[key] / (baselines[round]?.[key] ?? Number.NaN));
}

/** The median of each round's own ratio; NaN where a round has none. */
export function ratio<K extends string>(samples: Samples<K>, baselines: Samples<K>, key: K): number {
  const ratios = ratiosOf(samples, baselines, key);
  return ratios.length === 0 || ratios.some((one) => !Number.isFinite(one)) ? Number.NaN : median(ratios);
}

function tableOf(skus: OrdersCell["skus"], names: readonly Name[], find: Find, { engine }: OrdersReportOptions): Table {
  // A column that nobody has anything in, as statements on SQLite, is none.
  const columns = measures.filter(({ key }) =>
    cells.some((cell) => names.some((name) => Number.isFinite(middle(find(name, cell.skus, cell.callers), key)))),
  );
  const lines = cells
    .filter((cell) => cell.skus === skus)
    .flatMap(({ callers }) =>
      names.map((name) => {
        const samples = find(name, skus, callers);
        const times = name === "plain" ? Number.NaN : ratio(samples, find("plain", skus, callers), "throughput");
        return [
          `${String(callers).padStart(3)} ${name}`,
          ...columns.map(({ key }) => cellOf(middle(samples, key), key)),
          Number.isNaN(times) ? "" : `×${times.toFixed(2)}`,
        ];
      }),
    );
  const what = skus === "hot" ? "one SKU" : "1,000 SKUs";
  return {
    title: `Orders of ${what}, by callers at once, on ${engine} and ${availableParallelism()} cores`,
    columns: ["", ...columns.map(({ title }) => title), "of plain"],
    lines,
    notes: [],
  };
}

/** A figure of that measure for people; `-` where there is none. */
export function cellOf(value: number, key: string): string {
  if (Number.isNaN(value)) return "-";
  return key === "failed" ? String(value) : formatFigure(value);
}

function notesOf(results: readonly OrdersResult[], { rounds, seconds, undurable }: OrdersReportOptions) {
  return [
    `Medians over ${rounds} rounds of ${seconds} s each; µs of CPU, statements and commits by order; echo's server is its order service.`,
    ...spreadOf(results),
    ...orderNotes(
      results.map(({ subject, samples }) => [subject, samples]),
      undurable,
    ),
  ];
}

/** What is told of orders wherever they are measured: failures, what makes commits undurable, who else was at work. */
export function orderNotes(
  measured: readonly (readonly [what: string, samples: readonly OrdersSample[]])[],
  undurable: readonly string[],
): readonly string[] {
  const all = measured.flatMap(([what, samples]) => samples.map((sample) => ({ what, ...sample })));
  const failed = all.find(({ failure }) => failure !== undefined);
  return [
    ...(failed === undefined ? [] : [`Orders failed; the first of ${failed.what}: ${failed.failure}`]),
    ...(undurable.length === 0 ? [] : [`Commits may be lost: the database has ${undurable.join(" and ")}.`]),
    ...disturbance(all.map(({ others }) => others)),
  ];
}

/** How much the rounds differ: a difference smaller than this means nothing. */
function spreadOf(results: readonly OrdersResult[]): readonly string[] {
  const of = (subject: Name, skus: OrdersCell["skus"]) =>
    results.find((one) => one.subject === subject && one.cell.skus === skus && one.cell.callers === 64)?.samples ?? [];
  const ranges = (["hot", "spread"] as const).flatMap((skus) => {
    const ratios = ratiosOf(of("shoal", skus), of("plain", skus), "throughput").filter(Number.isFinite);
    if (ratios.length === 0) return [];
    const [low, high] = [0.25, 0.75].map((part) => quantile(ratios, part).toFixed(2));
    return [`${skus} ${low} to ${high}`];
  });
  if (ranges.length === 0) return [];
  return [`The middle half of the rounds' ratios of shoal to plain at 64 callers: ${ranges.join(", ")}.`];
}
