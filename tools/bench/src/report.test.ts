import assert from "node:assert/strict";
import { test } from "node:test";
import { formatFigure, formatReport, formatTable, roundFigure } from "./report.ts";

const table = {
  title: "Calls",
  columns: ["", "calls/s", "ms"],
  lines: [
    ["bare", "8,000", "1.00"],
    ["ours", "900", "12.0"],
  ],
  notes: ["Medians."],
};

test("a table has its first column to the left and the others to the right", () => {
  assert.equal(
    formatTable(table),
    "Calls\n\n      calls/s    ms\nbare    8,000  1.00\nours      900  12.0\n\nMedians.",
  );
});

test("with json the last line is the rows as one array", () => {
  const row = { bench: "rpc", name: "rpc.x", value: 1, unit: "ms", baseline: null, ratio: null };
  const report = { tables: [table, table], rows: [row, row] };
  assert.deepEqual(JSON.parse(formatReport(report, true).split("\n").at(-1) ?? ""), [row, row]);
  assert.ok(formatReport(report, false).endsWith("Medians."));
});

test("figures have the digits that count", () => {
  assert.deepEqual([8354.4, 99.54, 5.664, 0.784].map(formatFigure), ["8,354", "99.5", "5.66", "0.78"]);
  assert.equal(roundFigure(8354.4321), 8354.4);
});
