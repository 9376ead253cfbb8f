import assert from "node:assert/strict";
import { test } from "node:test";
import type { OrderSubject } from "./order-subjects.ts";
import { reportOrders } from "./orders-report.ts";
import { cells, type OrdersSample } from "./orders-sample.ts";

const options = { rounds: 3, seconds: 1, engine: "SQLite", undurable: [] };

function sample(throughput: number, others: Partial<OrdersSample> = {}): OrdersSample {
  return {
    throughput,
    p50: 1,
    p99: 10,
    refused: 0,
    failed: 0,
    clientCpu: 100,
    orderCpu: 200,
    inventoryCpu: 300,
    userCpu: 400,
    databaseCpu: Number.NaN,
    statements: Number.NaN,
    commits: Number.NaN,
    others: 0,
    failure: undefined,
    ...others,
  };
}

function results(of: Partial<Record<OrderSubject["name"], readonly OrdersSample[]>>) {
  return (Object.keys(of) as OrderSubject["name"][]).flatMap((subject) =>
    cells.map((cell) => ({ subject, cell, samples: of[subject] ?? [] })),
  );
}

test("headlines come first, as medians of each round's own ratio", () => {
  const { rows } = reportOrders(
    results({
      echo: [sample(10_000), sample(10_000), sample(10_000)],
      shoal: [sample(1_000), sample(2_000, { p99: 20 }), sample(6_000, { p99: 30 })],
      plain: [sample(100), sample(1_000), sample(1_000)],
    }),
    options,
  );
  const first = rows.slice(0, 7).map(({ name, value }) => [name, value]);
  assert.deepEqual(first, [
    ["orders.hot.vs_plain", 6],
    ["orders.hot.vs_echo", 0.2],
    ["orders.spread.vs_plain", 6],
    ["orders.hot.p99_ms", 20],
    ["orders.hot.c1_vs_plain", 6],
    ["orders.hot.c64_vs_plain", 6],
    ["orders.hot.c64_vs_echo", 0.2],
  ]);
  const row = rows.find(({ name }) => name === "orders.spread.c512.throughput");
  assert.deepEqual([row?.value, row?.baseline, row?.ratio], [2_000, 1_000, 6]);
  assert.ok(rows.some(({ name }) => name === "orders.echo.hot.c1.p50_ms"));
});

test("a headline compares what each does at best, whatever number of callers that takes", () => {
  const byCallers = (subject: OrderSubject["name"], throughputs: readonly [number, number, number]) =>
    cells.map((cell) => {
      const throughput = throughputs[[1, 64, 512].indexOf(cell.callers)] ?? 0;
      return { subject, cell, samples: [sample(throughput), sample(2 * throughput)] };
    });
  const { rows } = reportOrders(
    [
      ...byCallers("echo", [100, 10_000, 9_000]),
      ...byCallers("shoal", [10, 2_000, 5_000]),
      ...byCallers("plain", [10, 250, 100]),
    ],
    { ...options, rounds: 2 },
  );
  const figure = (name: string) => rows.find((row) => row.name === name)?.value;
  assert.equal(figure("orders.hot.vs_plain"), 20);
  assert.equal(figure("orders.hot.vs_echo"), 0.5);
  assert.equal(figure("orders.hot.c64_vs_plain"), 8);
  assert.equal(figure("orders.hot.c64_vs_echo"), 0.2);
  assert.equal(figure("orders.hot.c1_vs_plain"), 1);
});

test("what could not be measured has neither row nor column", () => {
  const { tables, rows } = reportOrders(results({ echo: [sample(1)], shoal: [sample(1)] }), options);
  assert.ok(rows.every(({ name }) => !/statements|database|vs_plain/.test(name)));
  assert.ok(tables.every(({ columns }) => !columns.includes("statements")));
  assert.equal(rows[0]?.name, "orders.hot.vs_echo");
});

test("failures of all rounds are told, with the first of them, and so is what makes commits undurable", () => {
  const failing = sample(1, { failed: 3, failure: "UNAVAILABLE: gone" });
  const { tables, rows } = reportOrders(
    results({ echo: [sample(1), sample(1), sample(1)], shoal: [sample(1), failing, sample(1)] }),
    {
      ...options,
      undurable: ["sync_binlog=0"],
    },
  );
  assert.equal(rows.find(({ name }) => name === "orders.hot.c1.failed")?.value, 3);
  const notes = tables.at(-1)?.notes.join("\n") ?? "";
  assert.match(notes, /Orders failed; the first of shoal: UNAVAILABLE: gone/);
  assert.match(notes, /the database has sync_binlog=0\./);
});
