import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, BenchSettings } from "../bench.ts";
import { machineTime, takenByOthers } from "../cpu-time.ts";
import { processCpuMicros } from "../process-cpu.ts";
import { startWorker, type Worker } from "../rpc/processes.ts";
import { requireInvariants } from "../services/require-invariants.ts";
import { rotated } from "../statistics.ts";
import { type OpenSubject, type OrderSubject, openSubject, orderSubjects } from "./order-subjects.ts";
import type { OrdersClientTasks } from "./orders-client-process.ts";
import { reportOrders } from "./orders-report.ts";
import { cells, type OrdersCell, type OrdersSample } from "./orders-sample.ts";

const [baseline] = orderSubjects as readonly [OrderSubject];

/** Before it is measured, orders are placed for the part of that time: queues and batches find their lengths. */
const leadInFactor = 0.25;

/** Before the first round each subject takes orders for so many times as long as it is measured, on each kind of SKUs. */
const warmUpFactor = 1;
const warmUpCallers = 64;

/**
 * Left before a subject is measured, so that the one before is done with what it still had to do, in milliseconds: for the
 * part of that time, but no longer than so.
 */
const pauseFactor = 0.25;
const maxPauseMs = 200;

/** One that runs, and its callers, who are connected. */
export interface CalledSubject extends OpenSubject {
  readonly callers: Worker<OrdersClientTasks>;
}

interface Running extends CalledSubject {
  readonly subject: OrderSubject;
}

/** What placing an order costs. */
export const ordersBench: Bench = {
  name: "orders",
  what: "CreateOrder with and without batching, beside a bare echo of the same messages",
  subjects: orderSubjects.map(({ name }) => name),
  takesDatabase: true,
  defaults: { rounds: 3, seconds: 4 },
  run: async (settings) => {
    const { rounds, seconds, only, database, signal, progress } = settings;
    await using stack = new AsyncDisposableStack();
    const chosen = orderSubjects.filter(({ name }) => name === baseline.name || (only?.includes(name) ?? true));
    const running: Running[] = [];
    for (const subject of chosen) running.push(await open(stack, subject, settings));
    for (const { subject, callers } of running)
      for (const spread of [false, true]) {
        progress(`warming up: ${subject.what}`);
        await callers.ask("begin", { callers: warmUpCallers, spread });
        await sleep(seconds * warmUpFactor * 1_000, undefined, { signal });
        await callers.ask("end");
      }
    const results = chosen.flatMap(({ name }) =>
      cells.map((cell) => ({ subject: name, cell, samples: [] as OrdersSample[] })),
    );
    for (let round = 0; round < rounds; round += 1)
      for (const cell of cells)
        for (const one of rotated(running, round)) {
          const where = cell.skus === "hot" ? "one SKU" : "1,000 SKUs";
          progress(`round ${round + 1} of ${rounds}: ${one.subject.name}, ${cell.callers} callers, ${where}`);
          const sample = await measureOrders(one, cell, settings);
          results.find((result) => result.subject === one.subject.name && result.cell === cell)?.samples.push(sample);
        }
    for (const { subject, kept } of running) {
      if (kept === undefined) continue;
      progress(`checking the databases of ${subject.what}`);
      await requireInvariants(kept);
    }
    const undurable = new Set(running.flatMap((one) => one.database?.undurable ?? []));
    const engine = database === "sqlite" ? "SQLite" : database === undefined ? "a private MariaDB or MySQL" : "MySQL";
    return reportOrders(results, { rounds, seconds, engine, undurable: [...undurable] });
  },
};

async function open(
  stack: AsyncDisposableStack,
  subject: OrderSubject,
  { database, profileDir, signal, progress }: BenchSettings,
): Promise<Running> {
  signal.throwIfAborted();
  progress(`starting ${subject.what}`);
  const opened = await openSubject(stack, subject, database, profileDir);
  const script = "../orders/orders-client-process.ts";
  const callers = stack.use(startWorker<OrdersClientTasks>(script, subject.name, profileDir));
  await callers.ask("connect", opened.shop);
  return { ...opened, subject, callers };
}

/** After a pause, has orders placed for the part of `seconds` that queues and batches need to find their lengths, and measures for `seconds`. */
export async function measureOrders(
  { callers, processes, database }: CalledSubject,
  { skus, callers: count }: OrdersCell,
  { seconds, signal }: Pick<BenchSettings, "seconds" | "signal">,
): Promise<OrdersSample> {
  await sleep(Math.min(maxPauseMs, seconds * pauseFactor * 1_000), undefined, { signal });
  await callers.ask("begin", { callers: count, spread: skus === "spread" });
  await sleep(seconds * leadInFactor * 1_000, undefined, { signal });
  const countsBefore = await database?.counts();
  const before = readCpu(processes);
  const machineBefore = machineTime();
  await callers.ask("count");
  await sleep(seconds * 1_000, undefined, { signal });
  const measured = await callers.ask("read");
  const machineAfter = machineTime();
  const after = readCpu(processes);
  const countsAfter = await database?.counts();
  await callers.ask("end");
  const { orders } = measured;
  const used = (name: string) => (after.get(name) ?? Number.NaN) - (before.get(name) ?? Number.NaN);
  const own = [...processes.keys()].reduce((sum, name) => sum + (used(name) || 0), measured.cpuMicros);
  const counted = (of: "statements" | "commits") =>
    countsBefore === undefined || countsAfter === undefined ? Number.NaN : countsAfter[of] - countsBefore[of];
  return {
    throughput: orders / measured.seconds,
    p50: measured.p50Ms ?? Number.NaN,
    p99: measured.p99Ms ?? Number.NaN,
    refused: measured.refused / measured.seconds,
    failed: measured.failed,
    clientCpu: measured.cpuMicros / orders,
    orderCpu: used("order") / orders,
    inventoryCpu: used("inventory") / orders,
    userCpu: used("user") / orders,
    databaseCpu: used("database") / orders,
    statements: counted("statements") / orders,
    commits: counted("commits") / orders,
    others: takenByOthers(machineBefore, machineAfter, own / 1_000),
    failure: measured.failure,
  };
}

function readCpu(processes: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map([...processes].map(([name, pid]) => [name, processCpuMicros(pid) ?? Number.NaN]));
}
