import { setTimeout as sleep } from "node:timers/promises";
import type { BenchSettings } from "../bench.ts";
import { machineTime, takenByOthers } from "../cpu-time.ts";
import { rotated } from "../statistics.ts";
import type { ClientTasks } from "./client-process.ts";
import type { Tasks } from "./parent-link.ts";
import type { PeerName } from "./peers.ts";
import { startWorker, type Worker } from "./processes.ts";
import type { ServerTasks } from "./server-process.ts";

/** What was measured of one peer in one round. Per call where it is not about time. */
export interface UnarySample {
  readonly throughput: number;
  readonly p50: number;
  readonly p99: number;
  readonly clientCpu: number;
  readonly serverCpu: number;
  readonly clientAllocation: number;
  readonly serverAllocation: number;
  /** The part of the machine, 0 to 1, that other processes took meanwhile. */
  readonly others: number;
}

/** The rounds of each peer, in order. */
export type UnaryResult = ReadonlyMap<PeerName, readonly UnarySample[]>;

/** Calls at once: enough to keep both processes busy, few enough that latency means something. */
export const inFlight = 64;

/** Rounds that the same processes are measured in. New ones follow, lest one be lucky or unlucky for the whole run. */
const roundsPerStart = 3;

/** Before its first round each process is called for so many times as long as it is measured. */
const warmUpFactor = 1.5;

/** Before it is measured in a round, for the part of that time: caches and pages have gone cold meanwhile. */
const leadInFactor = 0.2;

/** Left between two peers, so that the one before is done with what it still had to do, in milliseconds. */
const pauseMs = 30;

/**
 * Measures the peers: each one's server and client in processes of their own, which wait while it is not their turn.
 * In every round each peer is called for a while, in another order each time; every few rounds all processes are new.
 */
export async function measureUnary(
  names: readonly PeerName[],
  settings: Omit<BenchSettings, "only">,
): Promise<UnaryResult> {
  const samples = new Map(names.map((name): [PeerName, UnarySample[]] => [name, []]));
  for (let round = 0; round < settings.rounds; round += roundsPerStart)
    await measureRounds(names, settings, round, samples);
  return samples;
}

async function measureRounds(
  names: readonly PeerName[],
  { rounds, seconds, profileDir, signal, progress }: Omit<BenchSettings, "only">,
  firstRound: number,
  samples: ReadonlyMap<PeerName, UnarySample[]>,
): Promise<void> {
  signal.throwIfAborted();
  await using workers = new AsyncDisposableStack();
  const start = <T extends Tasks<T>>(script: string, peer: PeerName): Worker<T> => {
    const worker = workers.use(startWorker<T>(script, peer, profileDir));
    // What it is being asked then fails, and with it all the rest.
    signal.addEventListener("abort", () => void worker[Symbol.asyncDispose](), { once: true });
    return worker;
  };

  progress("starting");
  const peers = await Promise.all(
    names.map(async (name) => {
      const server = start<ServerTasks>("server-process.ts", name);
      const client = start<ClientTasks>("client-process.ts", name);
      await client.ask("connect", await server.ask("serve"));
      return { name, server, client };
    }),
  );
  const durationMs = seconds * 1_000;
  for (const { name, client } of peers) {
    progress(`warming up: ${name}`);
    await client.ask("load", { durationMs: durationMs * warmUpFactor, inFlight });
  }
  for (let round = firstRound; round < Math.min(firstRound + roundsPerStart, rounds); round++) {
    for (const { name, server, client } of rotated(peers, round)) {
      progress(`round ${round + 1} of ${rounds}: ${name}`);
      await sleep(pauseMs);
      samples.get(name)?.push(await measure(server, client, durationMs));
    }
  }
}

async function measure(
  server: Worker<ServerTasks>,
  client: Worker<ClientTasks>,
  durationMs: number,
): Promise<UnarySample> {
  await client.ask("load", { durationMs: durationMs * leadInFactor, inFlight });
  await server.ask("startMeter");
  const before = machineTime();
  const { calls, elapsedMs, p50Ms, p99Ms, cpuMicros, allocatedBytes } = await client.ask("load", {
    durationMs,
    inFlight,
  });
  const after = machineTime();
  const served = await server.ask("readMeter");
  return {
    throughput: calls / (elapsedMs / 1_000),
    p50: p50Ms,
    p99: p99Ms,
    clientCpu: cpuMicros / calls,
    serverCpu: served.cpuMicros / calls,
    clientAllocation: allocatedBytes / calls,
    serverAllocation: served.allocatedBytes / calls,
    others: takenByOthers(before, after, (cpuMicros + served.cpuMicros) / 1_000),
  };
}
