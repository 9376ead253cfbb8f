import type { BenchReport, BenchRow, Table } from "./bench.ts";
import { median } from "./statistics.ts";

/** A report as it is printed: its tables and, with `json`, its rows as one JSON array on the last line. */
export function formatReport({ tables, rows }: BenchReport, json: boolean): string {
  const text = tables.map(formatTable).join("\n\n");
  return json ? `${text}\n\n${JSON.stringify(rows)}` : text;
}

/** A table for a terminal: first column to the left, the others to the right. */
export function formatTable({ title, columns, lines, notes }: Table): string {
  const all = [columns, ...lines];
  const widths = columns.map((_, column) => Math.max(...all.map((line) => (line[column] ?? "").length)));
  const laidOut = all.map((line) =>
    widths
      .map((width, column) => {
        const cell = line[column] ?? "";
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd(),
  );
  return [title, "", ...laidOut, ...(notes.length > 0 ? ["", ...notes] : [])].join("\n");
}

/** A figure for people: whole from 100 on, one decimal from 10 on, two below. */
export function formatFigure(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A figure for programs: five digits that count. */
export function roundFigure(value: number): number {
  return Number(value.toPrecision(5));
}

/** A row of a bench; nothing to compare with where `baseline` or `ratio` is none (NaN). */
export function benchRow(
  name: string,
  value: number,
  unit: string,
  baseline = Number.NaN,
  ratio = value / baseline,
): BenchRow {
  const [bench = name] = name.split(".");
  const known = Number.isFinite(baseline) && Number.isFinite(ratio);
  return {
    bench,
    name,
    value: roundFigure(value),
    unit,
    baseline: known ? roundFigure(baseline) : null,
    ratio: known ? roundFigure(ratio) : null,
  };
}

/** More of the machine taken by others than this, from 0 to 1, is told: the figures are then theirs as well. */
const disturbing = 0.05;

/** A note where other processes took much of the machine while something was measured; `others` are the parts, 0 to 1. */
export function disturbance(others: readonly number[]): readonly string[] {
  const part = median(others);
  if (part <= disturbing) return [];
  return [`Other processes took ${Math.round(part * 100)} % of the machine meanwhile: figures and ratios are off.`];
}
