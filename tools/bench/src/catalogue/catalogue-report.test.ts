import assert from "node:assert/strict";
import { test } from "node:test";
import type { OrdersSample } from "../orders/orders-sample.ts";
import { type CatalogueResult, type CatalogueSize, catalogueSizes, reportCatalogue } from "./catalogue-report.ts";

function sample(databaseCpu: number): OrdersSample {
  return {
    throughput: 100,
    p50: 1,
    p99: 10,
    refused: 0,
    failed: 0,
    clientCpu: 1_000,
    orderCpu: 100,
    inventoryCpu: 100,
    userCpu: 0,
    databaseCpu,
    statements: 2,
    commits: 1,
    others: 0,
    failure: undefined,
  };
}

const figures = { productsBytes: 2 ** 20, bufferPoolBytes: 2 ** 27 };
const options = { rounds: 3, seconds: 1, callers: 64, undurable: [] };

function results(cpu: Readonly<Record<CatalogueSize["name"], readonly number[]>>): readonly CatalogueResult[] {
  return catalogueSizes.flatMap((size) =>
    (["spread", "hot"] as const).map((skus) => ({ size, figures, skus, samples: cpu[size.name].map(sample) })),
  );
}

test("costs are of services and database, their ratios the medians of each round's own, and a million products come first", () => {
  const { rows, tables } = reportCatalogue(
    results({ "1k": [100, 200, 300], "100k": [100, 200, 300], "1m": [400, 800, 300] }),
    options,
  );
  assert.deepEqual([rows[0]?.name, rows[0]?.value], ["catalogue.million.cost", 2], "of 600/300, 1,000/400 and 500/500");
  const cost = rows.find(({ name }) => name === "catalogue.spread.1m.cost");
  assert.deepEqual([cost?.value, cost?.baseline, cost?.ratio], [600, 400, 2]);
  assert.match(tables[1]?.notes.join("\n") ?? "", /128 MiB of all tables/);
});

test("where the CPU of the database is not known there are no costs, and the table says so", () => {
  const unknown = [Number.NaN, Number.NaN, Number.NaN];
  const { rows, tables } = reportCatalogue(results({ "1k": unknown, "100k": unknown, "1m": unknown }), options);
  assert.equal(rows[0]?.name, "catalogue.spread.1k.throughput");
  assert.ok(rows.every(({ name }) => !/cost|database/.test(name)));
  for (const { lines } of tables) for (const line of lines) assert.deepEqual(line.slice(-2), ["-", "-"]);
  assert.doesNotMatch(JSON.stringify(tables), /NaN/);
  assert.match(tables[1]?.notes.join("\n") ?? "", /The CPU of the database, and so the cost, is not known/);
});
