import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import type { BalancingPolicy } from "@shoal/discovery";
import { randomFrom } from "@shoal/kernel";
import { type Client, createClient } from "@shoal/rpc";
import type { BenchSettings } from "../bench.ts";
import { startWorker } from "../rpc/processes.ts";
import type { LiveServerTasks } from "./live-server-process.ts";
import { exponential } from "./random.ts";

/** Calls a second, by callers that do not wait for each other. */
export const callsPerSecond = 200;
/** The longest that a phase is measured, in seconds. */
const longestPhase = 5;

/** What happens to the three instances, one thing after the other. */
export const livePhases = Object.freeze([
  { name: "healthy", what: "all three are well" },
  { name: "slow", what: "the first takes 10 times as long" },
  { name: "killed", what: "and the second is killed in the middle" },
] as const);

/** One call to one of the three. */
export interface LiveCall {
  /** The name of the instance that answered; undefined when the call failed. */
  readonly servedBy: "first" | "second" | "third" | undefined;
  readonly tookMs: number;
}

/** The calls of each phase, by policy. */
export type LiveResult = ReadonlyMap<BalancingPolicy, readonly (readonly LiveCall[])[]>;

/**
 * Calls three real servers, each a process of its own, with one policy after the other, while one of them is slowed and
 * another one is killed (SIGKILL).
 */
export async function runLive(policies: readonly BalancingPolicy[], settings: BenchSettings): Promise<LiveResult> {
  const results = new Map<BalancingPolicy, readonly (readonly LiveCall[])[]>();
  for (const policy of policies) results.set(policy, await callThree(policy, settings));
  return results;
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
  for (const { name } of livePhases) {
    progress(`live, ${policy}: ${name}`);
    if (name === "slow") await servers[0]?.ask("slowDown", 10);
    const killsAfterMs = name === "killed" ? durationMs / 2 : undefined;
    const [calls] = await Promise.all([
      callFor(client, durationMs, signal),
      killsAfterMs === undefined ? undefined : killAfter(serving[1]?.pid, killsAfterMs, signal),
    ]);
    results.push(calls);
  }
  return results;
}

async function killAfter(pid: number | undefined, ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal });
  if (pid !== undefined) process.kill(pid, "SIGKILL");
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
    calls.push(callOnce(client));
  }
  return Promise.all(calls);
}

async function callOnce(client: Client<typeof EchoService>): Promise<LiveCall> {
  const begunAt = performance.now();
  const parcel = await client.echo({ parcel: { name: "hello" } }).then(
    (answer) => answer.parcel,
    () => undefined,
  );
  return { servedBy: parcel?.name as LiveCall["servedBy"], tookMs: performance.now() - begunAt };
}
