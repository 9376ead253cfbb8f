import { join } from "node:path";
import type { Bench, BenchRow, BenchSettings } from "../bench.ts";
import type { Tasks } from "../rpc/parent-link.ts";
import { startWorker, type Worker } from "../rpc/processes.ts";
import { median, rotated } from "../statistics.ts";
import type { ClientTasks } from "./client-process.ts";
import type { ServerTasks } from "./server-process.ts";

/** What servers allow of streams on a connection. The last is what ours allow by default. */
const limits = [10, 100, 1_000] as const;

/** Calls at once. */
const inFlight = 500;

const clients = ["single", "pool"] as const;

type ClientName = (typeof clients)[number];

interface Sample {
  readonly throughput: number;
  readonly p50: number;
  readonly p99: number;
}

/** What a pool of connections brings: 500 calls at once to a server that limits the streams of a connection. */
export const connectionsBench: Bench = {
  name: "connections",
  what: "500 calls at once over one connection and over a pool of them, by the streams that the server allows on each",
  subjects: clients,
  defaults: { rounds: 5, seconds: 2 },
  run: async (settings) => {
    const rows: BenchRow[] = [];
    const lines: string[][] = [];
    for (const limit of limits) {
      const samples = await measure(limit, settings);
      for (const client of clients) {
        const shown = (["throughput", "p50", "p99"] as const).map((measure) => {
          const row = rowOf(limit, measure, client, samples);
          rows.push(row);
          const ratio = client === "single" ? "" : ` (${row.ratio?.toFixed(2)})`;
          return `${row.value.toFixed(measure === "throughput" ? 0 : 1)}${ratio}`;
        });
        lines.push([String(limit), client, ...shown]);
      }
    }
    const title = `${inFlight} calls at once, each of which takes 10 ms in the server`;
    const columns = ["streams", "client", "calls/s", "p50 ms", "p99 ms"];
    const notes = ["In brackets: the ratio to a single connection, the median over the rounds."];
    return { tables: [{ title, columns, lines, notes }], rows };
  },
};

function rowOf(
  limit: number,
  measure: keyof Sample,
  client: ClientName,
  samples: ReadonlyMap<ClientName, readonly Sample[]>,
): BenchRow {
  const of = (name: ClientName) => (samples.get(name) ?? []).map((sample) => sample[measure]);
  const single = of("single");
  return {
    bench: "connections",
    name: `connections.${limit}-streams.${measure}.${client}`,
    value: median(of(client)),
    unit: measure === "throughput" ? "calls/s" : "ms",
    baseline: client === "single" ? null : median(single),
    ratio: client === "single" ? null : median(of(client).map((value, round) => value / (single[round] ?? Number.NaN))),
  };
}

async function measure(
  limit: number,
  { rounds, seconds, signal, progress }: BenchSettings,
): Promise<ReadonlyMap<ClientName, readonly Sample[]>> {
  signal.throwIfAborted();
  await using workers = new AsyncDisposableStack();
  const start = <T extends Tasks<T>>(script: string, argument: string): Worker<T> => {
    const worker = workers.use(startWorker<T>(join(import.meta.dirname, script), argument));
    signal.addEventListener("abort", () => void worker[Symbol.asyncDispose](), { once: true });
    return worker;
  };
  const port = await start<ServerTasks>("server-process.ts", String(limit)).ask("serve");
  const started = clients.map((name) => ({ name, worker: start<ClientTasks>("client-process.ts", name) }));
  const durationMs = seconds * 1_000;
  for (const { name, worker } of started) {
    progress(`${limit} streams, warming up: ${name}`);
    await worker.ask("connect", port);
    await worker.ask("load", { durationMs, inFlight });
  }
  const samples = new Map<ClientName, Sample[]>(clients.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const { name, worker } of rotated(started, round)) {
      progress(`${limit} streams, round ${round + 1} of ${rounds}: ${name}`);
      const { calls, elapsedMs, p50Ms, p99Ms } = await worker.ask("load", { durationMs, inFlight });
      samples.get(name)?.push({ throughput: calls / (elapsedMs / 1_000), p50: p50Ms, p99: p99Ms });
    }
  return samples;
}
