import { availableParallelism } from "node:os";
import type { BenchReport, Table } from "../bench.ts";
import { cellOf, compared, type MeasureWords, measures, middle, orderNotes, ratio } from "../orders/orders-report.ts";
import type { OrdersSample } from "../orders/orders-sample.ts";
import { benchRow, formatFigure } from "../report.ts";
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

/** A sample with the CPU of the services and the database by order; NaN where the database's is not known. */
type PricedSample = OrdersSample & { readonly cost: number };

interface Priced extends Pick<CatalogueResult, "size" | "skus"> {
  readonly samples: readonly PricedSample[];
  /** The same with 1,000 products. */
  readonly baselines: readonly PricedSample[];
}

const cost: MeasureWords<"cost"> = { key: "cost", name: "cost", title: "cost µs", unit: "µs/order" };

function priced(sample: OrdersSample): PricedSample {
  const { orderCpu, inventoryCpu, userCpu, databaseCpu } = sample;
  return { ...sample, cost: orderCpu + inventoryCpu + userCpu + databaseCpu };
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
  const samplesOf = (name: CatalogueSize["name"], skus: CatalogueResult["skus"]) =>
    (results.find((one) => one.skus === skus && one.size.name === name)?.samples ?? []).map(priced);
  const all = results.map(
    ({ size, skus }): Priced => ({ size, skus, samples: samplesOf(size.name, skus), baselines: samplesOf("1k", skus) }),
  );
  const million = all.find(({ size, skus }) => size.name === "1m" && skus === "spread");
  const rows = [
    ...(million === undefined ? [] : [benchRow("catalogue.million.cost", costRatio(million), "of 1,000 products")]),
    ...all.flatMap(({ size, skus, samples, baselines }) =>
      [cost, ...measures].map(({ key, name, unit }) =>
        compared(`catalogue.${skus}.${size.name}.${name}`, unit, samples, baselines, key),
      ),
    ),
  ];
  const of = (skus: CatalogueResult["skus"]) => all.filter((one) => one.skus === skus);
  const sizes = results.filter(({ skus }) => skus === "spread");
  const notes = [
    `Medians over ${rounds} rounds of ${seconds} s with ${callers} callers; µs of CPU, statements and commits by order; "cost" is the CPU of services and database, beside it as a multiple of that with 1,000 products.`,
    ...(all.every(({ samples }) => Number.isNaN(middle(samples, "databaseCpu")))
      ? ["The CPU of the database, and so the cost, is not known: its process cannot be seen from here."]
      : []),
    `The table of products: ${sizes.map(({ size, figures }) => `${size.title} ${mebibytes(figures.productsBytes)}`).join(", ")}. The server keeps ${mebibytes(sizes[0]?.figures.bufferPoolBytes ?? Number.NaN)} of all tables in memory (innodb_buffer_pool_size).`,
    ...orderNotes(
      all.map(({ size, samples }) => [size.title, samples]),
      undurable,
    ),
  ];
  return {
    tables: [tableOf("products by chance", of("spread")), { ...tableOf("one product", of("hot")), notes }],
    rows: rows.filter(({ value }) => Number.isFinite(value)),
  };
}

function costRatio({ samples, baselines }: Priced): number {
  return ratio(samples, baselines, "cost");
}

function tableOf(what: string, results: readonly Priced[]): Table {
  const known = measures.filter(({ key }) => results.some(({ samples }) => Number.isFinite(middle(samples, key))));
  const columns = [...known, cost];
  return {
    title: `Orders of ${what}, by how many there are, on MySQL and ${availableParallelism()} cores`,
    columns: ["", ...columns.map(({ title }) => title), "of 1,000"],
    lines: results.map((result) => [
      result.size.title,
      ...columns.map(({ key }) => cellOf(middle(result.samples, key), key)),
      Number.isNaN(costRatio(result)) ? "-" : `×${costRatio(result).toFixed(2)}`,
    ]),
    notes: [],
  };
}

function mebibytes(bytes: number): string {
  return `${formatFigure(bytes / mebibyte)} MiB`;
}
