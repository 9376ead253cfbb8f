import assert from "node:assert/strict";
import { test } from "node:test";
import type { OrdersSample } from "../orders/orders-sample.ts";
import { type CatalogueResult, catalogueSizes, reportCatalogue } from "./catalogue-report.ts";

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

test("costs are of services and database, their ratios the medians of each round's own, and a million products come first", () => {
  const cpu = { "1k": [100, 200, 300], "100k": [100, 200, 300], "1m": [400, 800, 300] };
  const figures = { productsBytes: 2 ** 20, bufferPoolBytes: 2 ** 27 };
  const results: CatalogueResult[] = catalogueSizes.flatMap((size) =>
    (["spread", "hot"] as const).map((skus) => ({ size, figures, skus, samples: cpu[size.name].map(sample) })),
  );
  const { rows, tables } = reportCatalogue(results, { rounds: 3, seconds: 1, callers: 64, undurable: [] });
  assert.deepEqual([rows[0]?.name, rows[0]?.value], ["catalogue.million.cost", 2], "of 600/300, 1,000/400 and 500/500");
  const cost = rows.find(({ name }) => name === "catalogue.spread.1m.cost");
  assert.deepEqual([cost?.value, cost?.baseline, cost?.ratio], [600, 400, 2]);
  assert.match(tables[1]?.notes.join("\n") ?? "", /128 MiB of all tables/);
});
