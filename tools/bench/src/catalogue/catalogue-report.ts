import { availableParallelism } from "node:os";
import type { BenchReport, BenchRow, Table } from "../bench.ts";
import { type Measure, measures, middle, ratio } from "../orders/orders-report.ts";
import type { OrdersSample } from "../orders/orders-sample.ts";
import { benchRow, formatFigure } from "../report.ts";
import { median } from "../statistics.ts";
import type { CatalogueFigures } from "./fill-catalogue.ts";

/** How many products there are. */
export interface CatalogueSize {
  readonly name: "1k" | "100k" | "1m";
  readonly title: string;
  readonly products: number;
}

/** All that are compared, the baseline first. */
export const catalogueSizes: readonly CatalogueSize[] = [
  { name: "1k", title: "1,000 products", products: 1_000 },
  { name: "100k", title: "100,000 products", products: 100_000 },
  { name: "1m", title: "1,000,000 products", products: 1_000_000 },
];

/** What was measured with so many products, by round. */
export interface CatalogueResult {
  readonly size: CatalogueSize;
  readonly figures: CatalogueFigures;
  /** Orders of any of them by chance, or all of one. */
  readonly skus: "spread" | "hot";
  readonly samples: OrdersSample[];
}

/** What is told beside the figures. */
export interface CatalogueReportOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly callers: number;
  /** Settings of the database by which commits may be lost. */
  readonly undurable: readonly string[];
}

const mebibyte = 2 ** 20;

/** The CPU of the services and the database by order, of each round. */
function costs(samples: readonly OrdersSample[]): readonly number[] {
  return samples.map(
    ({ orderCpu, inventoryCpu, userCpu, databaseCpu }) => orderCpu + inventoryCpu + userCpu + databaseCpu,
  );
}

/**
 * The figures: medians over the rounds; ratios to 1,000 products are medians of each round's own. Headlines first, then
 * `catalogue.<spread|hot>.<1k|100k|1m>.<measure>` with that of 1,000 products as the baseline. What could not be measured
 * has no row.
 */
export function reportCatalogue(
  results: readonly CatalogueResult[],
  { rounds, seconds, callers, undurable }: CatalogueReportOptions,
): BenchReport {
  const baselineOf = ({ skus }: CatalogueResult) =>
    results.find((one) => one.skus === skus && one.size.name === "1k")?.samples ?? [];
  const costRatio = (result: CatalogueResult) => {
    const baselines = costs(baselineOf(result));
    return median(costs(result.samples).map((cost, round) => cost / (baselines[round] ?? Number.NaN)));
  };
  const million = results.find(({ size, skus }) => size.name === "1m" && skus === "spread");
  const rows: readonly BenchRow[] = [
    ...(million === undefined ? [] : [benchRow("catalogue.million.cost", costRatio(million), "of 1,000 products")]),
    ...results.flatMap((result) => {
      const { size, skus, samples } = result;
      const baselines = baselineOf(result);
      const prefix = `catalogue.${skus}.${size.name}`;
      return [
        benchRow(`${prefix}.cost`, median(costs(samples)), "µs/order", median(costs(baselines)), costRatio(result)),
        ...measures.map(({ name, key, unit }) =>
          benchRow(
            `${prefix}.${name}`,
            middle(samples, key),
            unit,
            middle(baselines, key),
            ratio(samples, baselines, key),
          ),
        ),
      ];
    }),
  ];
  const [spread, hot] = (["spread", "hot"] as const).map((skus) =>
    tableOf(
      skus,
      results.filter((result) => result.skus === skus),
      costRatio,
    ),
  ) as [Table, Table];
  const sizes = results.filter(({ skus }) => skus === "spread");
  const failed = results.flatMap(({ samples }) => samples).find(({ failure }) => failure !== undefined);
  const notes = [
    `Medians over ${rounds} rounds of ${seconds} s with ${callers} callers; µs of CPU, statements and commits by order; "cost" is the CPU of services and database, beside it as a multiple of that with 1,000 products.`,
    `The table of products: ${sizes.map(({ size, figures }) => `${size.title} ${mebibytes(figures.productsBytes)}`).join(", ")}. The server keeps ${mebibytes(sizes[0]?.figures.bufferPoolBytes ?? Number.NaN)} of all tables in memory (innodb_buffer_pool_size).`,
    ...(failed === undefined ? [] : [`Orders failed; the first: ${failed.failure}`]),
    ...(undurable.length === 0 ? [] : [`Commits may be lost: the database has ${undurable.join(" and ")}.`]),
    `Others took ${Math.round(median(results.flatMap(({ samples }) => samples.map(({ others }) => others))) * 100)} % of the machine meanwhile.`,
  ];
  return { tables: [spread, { ...hot, notes }], rows: rows.filter(({ value }) => Number.isFinite(value)) };
}

function tableOf(
  skus: CatalogueResult["skus"],
  results: readonly CatalogueResult[],
  costRatio: (result: CatalogueResult) => number,
): Table {
  const columns = measures.filter(({ key }) => results.some(({ samples }) => Number.isFinite(middle(samples, key))));
  const cell = (samples: readonly OrdersSample[], key: Measure) => {
    const value = middle(samples, key);
    return Number.isNaN(value) ? "-" : formatFigure(value);
  };
  return {
    title: `Orders of ${skus === "hot" ? "one product" : "products by chance"}, by how many there are, on MySQL and ${availableParallelism()} cores`,
    columns: ["", ...columns.map(({ title }) => title), "cost µs", "of 1,000"],
    lines: results.map((result) => [
      result.size.title,
      ...columns.map(({ key }) => cell(result.samples, key)),
      formatFigure(median(costs(result.samples))),
      `×${costRatio(result).toFixed(2)}`,
    ]),
    notes: [],
  };
}

function mebibytes(bytes: number): string {
  return `${formatFigure(bytes / mebibyte)} MiB`;
}
