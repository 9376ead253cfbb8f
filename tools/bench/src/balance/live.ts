import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { type Client, createClient } from "@shoal/rpc";
import type { BenchReport, BenchRow, BenchSettings } from "../bench.ts";
import { formatFigure, roundFigure } from "../report.ts";
import { startWorker } from "../rpc/processes.ts";
import { quantile } from "../statistics.ts";
import type { BalancingPolicy } from "./balancing.ts";
import type { LiveServerTasks } from "./live-server-process.ts";
import { exponential, randomFrom } from "./random.ts";

/** Calls a second, by callers that do not wait for each other. */
const callsPerSecond = 200;
/** The longest that a phase is measured, in seconds. */
const longestPhase = 5;

/** What happens to the three instances, one after the other. */
const phases = Object.freeze([
  { name: "healthy", what: "all three are well" },
  { name: "slow", what: "the first takes 10 times as long" },
  { name: "killed", what: "and the second is killed in the middle" },
] as const);

interface LiveCall {
  readonly servedBy: string | undefined;
  readonly tookMs: number;
  /** When it failed, from the beginning of its phase on. */
  readonly failedAfterMs: number | undefined;
}

/**
 * Calls three real servers, each a process of its own, one after the other with each policy, while one is slowed and one
 * is killed (SIGKILL). Rows are `balance.live.<phase>.<policy>.<measure>`.
 */
export async function runLive(policies: readonly BalancingPolicy[], settings: BenchSettings): Promise<BenchReport> {
  const results = new Map<BalancingPolicy, readonly (readonly LiveCall[])[]>();
  for (const policy of policies) results.set(policy, await callThree(policy, settings));
  const lines = phases.flatMap(({ what }, phase) => [
    [what],
    ...policies.map((policy) => lineOf(policy, results.get(policy)?.[phase] ?? [], results.get(policy)?.[0] ?? [])),
  ]);
  const table = {
    title: `Three real servers, ${callsPerSecond} calls/s`,
    columns: ["", "p50 ms", "p99 ms", "× healthy", "errors %", "first's share %"],
    lines,
    notes: ["Latencies of calls that succeeded. A call on a connection that breaks fails: Echo is not to be repeated."],
  };
  const rows = phases.flatMap(({ name }, phase) =>
    policies.flatMap((policy) =>
      rowsOf(`balance.live.${name}.${policy}`, results.get(policy)?.[phase] ?? [], results.get(policy)?.[0] ?? []),
    ),
  );
  return { tables: [table], rows };
}

async function callThree(policy: BalancingPolicy, { seconds, signal, progress }: BenchSettings) {
  signal.throwIfAborted();
  await using stack = new AsyncDisposableStack();
  const servers = ["first", "second", "third"].map((name) => {
    const worker = stack.use(startWorker<LiveServerTasks>("../balance/live-server-process.ts", name));
    signal.addEventListener("abort", () => void worker[Symbol.asyncDispose](), { once: true });
    return worker;
  });
  progress(`live, ${policy}: starting`);
  const [first, second] = servers;
  const serving = await Promise.all(servers.map((server) => server.ask("serve")));
  const client = stack.use(
    createClient(EchoService, {
      address: `ipv4:${serving.map(({ port }) => `127.0.0.1:${port}`).join()}`,
      balancing: { policy },
    }),
  );
  const durationMs = Math.min(seconds, longestPhase) * 1_000;
  await callFor(client, durationMs / 4, signal);
  const results: (readonly LiveCall[])[] = [];
  for (const { name } of phases) {
    progress(`live, ${policy}: ${name}`);
    if (name === "slow") await first?.ask("slowDown", 10);
    const calls = callFor(client, durationMs, signal);
    if (name === "killed") {
      await sleep(durationMs / 2);
      const pid = serving[servers.findIndex((server) => server === second)]?.pid;
      if (pid !== undefined) process.kill(pid, "SIGKILL");
    }
    results.push(await calls);
  }
  return results;
}

/** Calls for a while, at random times; the calls that began meanwhile, in order, when all have ended. */
async function callFor(
  client: Client<typeof EchoService>,
  durationMs: number,
  signal: AbortSignal,
): Promise<readonly LiveCall[]> {
  const random = randomFrom(1);
  const startedAt = performance.now();
  const calls: Promise<LiveCall>[] = [];
  for (let at = 0; at < durationMs; at += exponential(1_000 / callsPerSecond, random)) {
    const waitMs = startedAt + at - performance.now();
    if (waitMs > 1) await sleep(waitMs, undefined, { signal });
    calls.push(callOnce(client, startedAt));
  }
  return Promise.all(calls);
}

async function callOnce(client: Client<typeof EchoService>, startedAt: number): Promise<LiveCall> {
  const begunAt = performance.now();
  const tookMs = () => performance.now() - begunAt;
  try {
    const { parcel } = await client.echo({ parcel: { name: "hello" } });
    return { servedBy: parcel?.name, tookMs: tookMs(), failedAfterMs: undefined };
  } catch {
    return { servedBy: undefined, tookMs: tookMs(), failedAfterMs: performance.now() - startedAt };
  }
}

function figuresOf(calls: readonly LiveCall[]) {
  const answered = calls.filter(({ failedAfterMs }) => failedAfterMs === undefined);
  const latencies = answered.map(({ tookMs }) => tookMs);
  return {
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    errors: 1 - answered.length / calls.length,
    firstShare: answered.filter(({ servedBy }) => servedBy === "first").length / calls.length,
  };
}

function lineOf(policy: BalancingPolicy, calls: readonly LiveCall[], healthy: readonly LiveCall[]): readonly string[] {
  const { p50, p99, errors, firstShare } = figuresOf(calls);
  return [
    `  ${policy}`,
    formatFigure(p50),
    formatFigure(p99),
    `×${(p99 / figuresOf(healthy).p99).toFixed(2)}`,
    formatFigure(errors * 100),
    formatFigure(firstShare * 100),
  ];
}

function rowsOf(prefix: string, calls: readonly LiveCall[], healthy: readonly LiveCall[]): readonly BenchRow[] {
  const { p50, p99, errors, firstShare } = figuresOf(calls);
  const usual = figuresOf(healthy);
  const latency = (name: string, value: number, baseline: number): BenchRow => {
    const ratio = roundFigure(value / baseline);
    return { bench: "balance", name: `${prefix}.${name}`, value: roundFigure(value), unit: "ms", baseline, ratio };
  };
  const share = (name: string, value: number): BenchRow => {
    return {
      bench: "balance",
      name: `${prefix}.${name}`,
      value: roundFigure(value),
      unit: "",
      baseline: null,
      ratio: null,
    };
  };
  return [
    latency("p50", p50, roundFigure(usual.p50)),
    latency("p99", p99, roundFigure(usual.p99)),
    share("errors", errors),
    share("first-share", firstShare),
  ];
}
