import { defaultDatabaseOptions } from "@shoal/storage";
import { findDatabaseServerBinary, startDatabaseServer } from "@shoal/testkit/database-server-process";
import type { Bench, BenchReport, BenchRow, BenchSettings } from "../bench.ts";
import { benchRow, formatFigure } from "../report.ts";
import { startWorker } from "../rpc/processes.ts";
import { createDatabase } from "../services/databases.ts";
import { median, quantile, rotated } from "../statistics.ts";
import type { FloodResult, PoolClientTasks } from "./pool-client-process.ts";
import type { PoolServerOptions, PoolServerTasks } from "./pool-server-process.ts";

const connections = 10;
const statements = 2;
const statementMs = 10;
/** A caller's deadline. */
const timeoutMs = 1_000;
const warmUpSeconds = 2;

/** One way to offer calls: how many times what the connections can carry, and whether the server has a door. */
interface Subject {
  readonly name: string;
  readonly what: string;
  readonly times: number;
  readonly door: boolean;
}

const subjects: readonly Subject[] = [
  { name: "even", what: "1 ×, with the door", times: 1, door: true },
  { name: "door", what: "3 ×, with the door", times: 3, door: true },
  { name: "no-door", what: "3 ×, without it", times: 3, door: false },
];
const [baseline] = subjects as readonly [Subject];

const measures = [
  { name: "goodput", column: "answered/s", unit: "calls/s" },
  { name: "p50", column: "p50 ms", unit: "ms" },
  { name: "p99", column: "p99 ms", unit: "ms" },
  { name: "refused", column: "refused/s", unit: "calls/s" },
  { name: "refusal-p50", column: "refusal p50 ms", unit: "ms" },
  { name: "refusal-p99", column: "refusal p99 ms", unit: "ms" },
  { name: "failed", column: "failed/s", unit: "calls/s" },
] as const;

/** A time is undefined where no call has one. */
type Figures = Readonly<Record<(typeof measures)[number]["name"], number | undefined>>;

/** What becomes of calls when more are offered than a pool of database connections can carry. */
export const poolBench: Bench = {
  name: "pool",
  what: "calls that want three times the database connections there are: refused at the door, or in the queue",
  subjects: subjects.map(({ name }) => name),
  defaults: { rounds: 3, seconds: 5 },
  run: async (settings) => {
    await using stack = new AsyncDisposableStack();
    const databaseUrl = await prepareDatabase(stack);
    const chosen = subjects.filter(({ name }) => name === baseline.name || (settings.only?.includes(name) ?? true));
    const capacities: number[] = [];
    const found = new Map(chosen.map(({ name }) => [name, [] as Figures[]]));
    for (let round = 0; round < settings.rounds; round += 1) {
      settings.progress(`round ${round + 1} of ${settings.rounds}: what the connections can carry`);
      const capacity = await measureCapacity(databaseUrl, settings);
      capacities.push(capacity);
      for (const subject of rotated(chosen, round)) {
        settings.signal.throwIfAborted();
        settings.progress(`round ${round + 1} of ${settings.rounds}: ${subject.what}`);
        found.get(subject.name)?.push(figuresOf(await flood(databaseUrl, subject, capacity, settings), settings));
      }
    }
    return report(chosen, found, median(capacities));
  },
};

/** The URL of a new database on the server that SHOAL_TEST_MYSQL_URL names, or on one that lives as long as `stack`. */
async function prepareDatabase(stack: AsyncDisposableStack): Promise<string> {
  return await createDatabase(stack, process.env["SHOAL_TEST_MYSQL_URL"] ?? (await ownServer(stack)), "shoal_pool");
}

async function ownServer(stack: AsyncDisposableStack): Promise<string> {
  const binary = findDatabaseServerBinary();
  if (binary === undefined) throw new Error("set SHOAL_TEST_MYSQL_URL to a MySQL-protocol server, or install MariaDB");
  const server = await startDatabaseServer(binary);
  stack.defer(() => server.stop());
  return server.url;
}

/** New processes each time: what a flood has left behind is nobody else's. */
async function withProcesses<T>(
  name: string,
  options: PoolServerOptions,
  { profileDir }: BenchSettings,
  run: (callers: ReturnType<typeof startWorker<PoolClientTasks>>) => Promise<T>,
): Promise<T> {
  await using server = startWorker<PoolServerTasks>("../pool/pool-server-process.ts", name, profileDir);
  await using callers = startWorker<PoolClientTasks>("../pool/pool-client-process.ts", name, profileDir);
  await callers.ask("connect", await server.ask("serve", options));
  return await run(callers);
}

function measureCapacity(databaseUrl: string, settings: BenchSettings): Promise<number> {
  const options = { databaseUrl, connections, statements, statementMs, door: false };
  return withProcesses("capacity", options, settings, async (callers) => {
    await callers.ask("saturate", { callers: 4 * connections, seconds: 1 });
    return await callers.ask("saturate", { callers: 4 * connections, seconds: settings.seconds });
  });
}

function flood(databaseUrl: string, { name, times, door }: Subject, capacity: number, settings: BenchSettings) {
  const options = { databaseUrl, connections, statements, statementMs, door };
  return withProcesses(name, options, settings, (callers) =>
    callers.ask("flood", { callsPerSecond: times * capacity, timeoutMs, warmUpSeconds, seconds: settings.seconds }),
  );
}

function figuresOf({ answered, refused, failed }: FloodResult, { seconds }: BenchSettings): Figures {
  const part = (values: readonly number[], part: number) => (values.length === 0 ? undefined : quantile(values, part));
  return {
    goodput: answered.length / seconds,
    p50: part(answered, 0.5),
    p99: part(answered, 0.99),
    refused: refused.length / seconds,
    "refusal-p50": part(refused, 0.5),
    "refusal-p99": part(refused, 0.99),
    failed: Object.values(failed).reduce((sum, count) => sum + count, 0) / seconds,
  };
}

function report(
  chosen: readonly Subject[],
  found: ReadonlyMap<string, readonly Figures[]>,
  capacity: number,
): BenchReport {
  const middle = (subject: Subject, measure: keyof Figures) => {
    const values = (found.get(subject.name) ?? []).map((figures) => figures[measure]);
    const known = values.filter((value) => value !== undefined);
    return known.length === 0 ? undefined : median(known);
  };
  const { highWater, lowWater } = defaultDatabaseOptions;
  const table = {
    title: `A pool of ${connections} connections that carries ${formatFigure(capacity)} calls/s`,
    columns: ["offered", ...measures.map(({ column }) => column)],
    lines: chosen.map((subject) => [subject.what, ...measures.map(({ name }) => figure(middle(subject, name)))]),
    notes: [
      `A call: ${statements} statements of ${statementMs} ms each. Callers wait ${timeoutMs} ms. The door shuts at ` +
        `${highWater} and opens at ${lowWater} calls with or in want of a connection.`,
      "Medians over the rounds; times from when a call was due. Failed: the deadline passed.",
    ],
  };
  const rows = chosen.flatMap((subject) =>
    measures.flatMap(({ name, unit }): BenchRow[] => {
      const value = middle(subject, name);
      if (value === undefined) return [];
      const base = subject === baseline ? undefined : middle(baseline, name);
      return [benchRow(`pool.flood.${name}.${subject.name}`, value, unit, base)];
    }),
  );
  return { tables: [table], rows };
}

function figure(value: number | undefined): string {
  return value === undefined ? "-" : formatFigure(value);
}
