import type { BenchReport, BenchRow, Table } from "../bench.ts";
import { benchRow, formatFigure } from "../report.ts";
import { median, quantile } from "../statistics.ts";
import type { PriorityResult } from "./overload-client-process.ts";
import { levels, type OverloadRound, type OverloadSubject, recoverySeconds } from "./overload-round.ts";

/** Recovered is who answers so large a part of what it is asked … */
const recoveredPart = 0.95;

/** … over so many tenths of a second. */
const recoveredTenths = 20;

/** What is told of a level. */
interface LevelFigures {
  /** Answered well, in calls a second. */
  readonly goodput: number;
  readonly peak: number;
  readonly p50: number;
  readonly p99: number;
  /** The parts of the calls that were answered well. */
  readonly critical: number;
  readonly default: number;
  readonly sheddable: number;
  /** How long refusals took, in milliseconds. */
  readonly refusalP50: number;
  readonly refusalP99: number;
  /** Deadlines that passed, connections that broke and the like, in calls a second. */
  readonly failed: number;
}

/**
 * The figures. Rows are `overload.<level>.<measure>`, such as `overload.10x.goodput`, and `overload.recovery_s`, with those
 * without load shedding as `overload.none.…`. Goodput is told as a part of the peak, latencies as they are, with that at 0.8
 * of the peak as their baseline.
 */
export function reportOverload(found: ReadonlyMap<OverloadSubject, readonly OverloadRound[]>): BenchReport {
  const reports = [...found].map(([subject, rounds]) => reportSubject(subject, rounds));
  return { tables: reports.map(({ table }) => table), rows: reports.flatMap(({ rows }) => rows) };
}

function reportSubject({ name, what }: OverloadSubject, rounds: readonly OverloadRound[]) {
  const figures = levels.map((_, level) => middle(rounds.map((round) => figuresOf(round, level))));
  const recovery = median(rounds.map(recoveryOf));
  const [usual] = figures;
  if (usual === undefined) throw new RangeError("no levels");
  const prefix = name === "shedding" ? "overload" : `overload.${name}`;
  const callers = quantile(
    rounds.flatMap(({ levels }) => levels.map(({ result }) => result.cpu)),
    1,
  );
  const table: Table = {
    title: `Orders, ${what}: a peak of ${formatFigure(usual.peak)} calls/s`,
    columns: [
      "offered",
      "answered/s",
      "of peak",
      "p50 ms",
      "p99 ms",
      "p99 ×",
      "critical %",
      "default %",
      "sheddable %",
      "refusal p50",
      "p99 ms",
      "failed/s",
    ],
    lines: levels.map((times, level) => linesOf(times, figures[level] ?? usual, usual)),
    notes: [
      `Recovery from ${levels.at(-1)} × with callers that call again: ${formatRecovery(recovery)}.`,
      `The callers took ${formatFigure(callers * 100)} % of a core at most. Medians over the rounds.`,
    ],
  };
  const rows = levels.flatMap((times, level) => rowsOf(`${prefix}.${times}x`, figures[level] ?? usual, usual));
  return { table, rows: [...rows, benchRow(`${prefix}.recovery_s`, recovery, "s")] };
}

function figuresOf({ levels: measured, seconds }: OverloadRound, level: number): LevelFigures {
  const { result, peak } = measured[level] ?? { result: undefined, peak: 0 };
  if (result === undefined) throw new RangeError("no such level");
  const all = Object.values(result.byPriority);
  const answered = all.flatMap(({ answered }) => answered);
  const refused = all.flatMap(({ refused }) => refused);
  const part = ({ due, served }: PriorityResult) => (due === 0 ? Number.NaN : served / due);
  return {
    goodput: answered.length / seconds,
    peak,
    p50: quantileOf(answered, 0.5),
    p99: quantileOf(answered, 0.99),
    critical: part(result.byPriority.critical),
    default: part(result.byPriority.default),
    sheddable: part(result.byPriority.sheddable),
    refusalP50: quantileOf(refused, 0.5),
    refusalP99: quantileOf(refused, 0.99),
    failed: all.flatMap(({ failed }) => Object.values(failed)).reduce((sum, count) => sum + count, 0) / seconds,
  };
}

function quantileOf(values: readonly number[], part: number): number {
  return values.length === 0 ? Number.NaN : quantile(values, part);
}

function middle(rounds: readonly LevelFigures[]): LevelFigures {
  const [first] = rounds;
  if (first === undefined) throw new RangeError("no rounds");
  const names = Object.keys(first) as (keyof LevelFigures)[];
  return Object.fromEntries(
    names.map((name) => [name, median(rounds.map((figures) => figures[name]))]),
  ) as unknown as LevelFigures;
}

/**
 * How long after the flood it took, in seconds, until over two seconds as many calls were answered as were asked for, less
 * one in twenty; as long as it was watched if that did not come.
 */
function recoveryOf({ recovery, recoveryRate, seconds }: OverloadRound): number {
  const floodTenths = seconds * 10;
  const { timetable } = recovery;
  for (let from = floodTenths; from + recoveredTenths <= timetable.length; from += 1) {
    const answered = timetable.slice(from, from + recoveredTenths).reduce((sum, count) => sum + count, 0);
    if (answered >= (recoveredPart * recoveryRate * recoveredTenths) / 10) return (from - floodTenths) / 10;
  }
  return recoverySeconds;
}

function formatRecovery(seconds: number): string {
  return seconds < recoverySeconds
    ? `${seconds.toFixed(1)} s until 95 % of what is asked is answered`
    : "none while it was watched";
}

function linesOf(times: number, figures: LevelFigures, usual: LevelFigures): readonly string[] {
  const percent = (part: number) => cell(part * 100);
  return [
    `${times} ×`,
    cell(figures.goodput),
    (figures.goodput / figures.peak).toFixed(2),
    cell(figures.p50),
    cell(figures.p99),
    (figures.p99 / usual.p99).toFixed(2),
    percent(figures.critical),
    percent(figures.default),
    percent(figures.sheddable),
    cell(figures.refusalP50),
    cell(figures.refusalP99),
    cell(figures.failed),
  ];
}

function cell(value: number): string {
  return Number.isNaN(value) ? "-" : formatFigure(value);
}

function rowsOf(prefix: string, figures: LevelFigures, usual: LevelFigures): readonly BenchRow[] {
  return [
    benchRow(`${prefix}.goodput`, figures.goodput / figures.peak, "of peak"),
    benchRow(`${prefix}.p99`, figures.p99, "ms", usual.p99),
    benchRow(`${prefix}.critical`, figures.critical, "of calls"),
    benchRow(`${prefix}.default`, figures.default, "of calls"),
    benchRow(`${prefix}.sheddable`, figures.sheddable, "of calls"),
    benchRow(`${prefix}.refusal_p99`, figures.refusalP99, "ms"),
  ].filter(({ value }) => Number.isFinite(value));
}
