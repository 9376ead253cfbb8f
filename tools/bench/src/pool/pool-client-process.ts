// The callers of the pool bench: `pool-client-process.ts NAME`, told what to do by pool-bench.ts.
import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { type AppError, isAppError } from "@shoal/kernel";
import { type Client, createClient } from "@shoal/rpc";
import { exponential } from "../balance/random.ts";
import { obeyParent } from "../rpc/parent-link.ts";

/** Connections to the server: each may carry only so many calls at once. */
const connections = 20;

/** Calls by callers that do not wait for each other. */
export interface FloodOptions {
  readonly callsPerSecond: number;
  readonly timeoutMs: number;
  /** Only calls that are due after this are counted, in seconds. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** How the calls ended that were due in the time that counts; how long each took from when it was due, in milliseconds. */
export interface FloodResult {
  readonly answered: readonly number[];
  /** RESOURCE_EXHAUSTED with a hint when to come again. */
  readonly refused: readonly number[];
  /** Everything else, such as deadlines that passed: how many of each kind. */
  readonly failed: Readonly<Record<string, number>>;
}

/** What the bench may ask of the callers. */
export interface PoolClientTasks {
  connect(port: number): Promise<void>;
  /** Calls as fast as so many callers can, one call after the other each; answers how many calls a second were answered. */
  saturate(options: { readonly callers: number; readonly seconds: number }): Promise<number>;
  /** Calls at a rate, whatever becomes of the calls. */
  flood(options: FloodOptions): Promise<FloodResult>;
}

let clients: readonly Client<typeof EchoService>[] = [];
let calls = 0;

function call(timeoutMs: number) {
  const client = clients[calls % clients.length];
  calls += 1;
  if (client === undefined) throw new Error("not connected");
  return client.echo({ parcel: { name: "flood" } }, { timeoutMs });
}

obeyParent<PoolClientTasks>({
  connect: async (port) => {
    for (const client of clients) client[Symbol.dispose]();
    clients = Array.from({ length: connections }, () => createClient(EchoService, { address: `127.0.0.1:${port}` }));
    await Promise.all(clients.map((client) => client.echo({ parcel: {} })));
  },
  saturate: async ({ callers, seconds }) => {
    const end = performance.now() + seconds * 1_000;
    let answered = 0;
    const caller = async () => {
      while (performance.now() < end) {
        await call(5_000);
        answered += 1;
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return answered / seconds;
  },
  flood: async ({ callsPerSecond, timeoutMs, warmUpSeconds, seconds }) => {
    const answered: number[] = [];
    const refused: number[] = [];
    const failed: Record<string, number> = {};
    const begun: Promise<void>[] = [];
    const start = performance.now();
    const countFrom = start + warmUpSeconds * 1_000;
    const end = countFrom + seconds * 1_000;
    const one = async (dueAt: number) => {
      let into: number[] | undefined;
      let reason = "";
      try {
        await call(timeoutMs);
        into = answered;
      } catch (error) {
        reason = isAppError(error) ? error.kind : String(error);
        if (isRefusal(error)) into = refused;
      }
      if (dueAt < countFrom) return;
      if (into === undefined) failed[reason] = (failed[reason] ?? 0) + 1;
      else into.push(performance.now() - dueAt);
    };
    for (let dueAt = start; dueAt < end; dueAt += exponential(1_000 / callsPerSecond, Math.random)) {
      while (performance.now() < dueAt) await sleep(1);
      begun.push(one(dueAt));
    }
    await Promise.all(begun);
    return { answered, refused, failed };
  },
});

function isRefusal(error: unknown): error is AppError {
  return isAppError(error) && error.kind === "exhausted" && error.retryAfterMs !== undefined;
}
