import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { type AppError, type CallContext, createContext, newId, runWithContext } from "@shoal/kernel";
import { type Client, createClient } from "@shoal/rpc";
import { createTestDatabase, databaseServer, until } from "@shoal/testkit";
import { type Connection, createConnection, type RowDataPacket } from "mysql2/promise";
import type { HopQuestion, HopReport, HopSettings, HopState, Task } from "./three-hops-service.ts";

/** The services, in the order in which a call reaches them. */
export const hopNames = ["front", "middle", "back"] as const;
export type HopName = (typeof hopNames)[number];

type ReportOf<E extends HopReport["event"]> = Extract<HopReport, { readonly event: E }>;
type CallEvent = Exclude<HopReport["event"], "listening" | "state">;

/** A service that runs in a process of its own. */
export interface Hop {
  readonly address: string;
  /** What it has told of an event of a call; waits until it does. */
  told<E extends CallEvent>(event: E, requestId: string): Promise<ReportOf<E>>;
  /** How often it has told of an event of a call so far. */
  count(event: CallEvent, requestId: string): number;
  state(): Promise<HopState>;
  /** Tells it to stop; answers its exit code: 0 when it ended by itself, with nothing left open. */
  stop(): Promise<number | null>;
}

/** Three services, one behind the other, and the database behind the last. */
export interface ThreeHops {
  readonly hops: Readonly<Record<HopName, Hop>>;
  readonly observer: Observer;
  /** How many connections the last service may have to its database. */
  readonly maxConnections: number;
  /** Has the front do a task, in a context, until the signal aborts. The marker is a new one unless it is given. */
  call(task: AskedTask, context?: Partial<CallContext>, signal?: AbortSignal): ThreeHopCall;
}

type AskedTask = Omit<Task, "marker"> & Partial<Pick<Task, "marker">>;

/** A call through all of them. */
export interface ThreeHopCall {
  readonly requestId: string;
  readonly marker: string;
  /** The answer, or the error that the caller has got. */
  readonly outcome: Promise<bigint | AppError>;
}

/** Starts the three services, each in a process of its own, on an empty MySQL database. They go with the test. */
export async function startThreeHops(t: TestContext, maxConnections = 4): Promise<ThreeHops> {
  const databaseUrl = await createTestDatabase(t);
  const observer = await observe(t, databaseUrl);
  const back = await startHop(t, { name: "back", databaseUrl, maxConnections });
  const middle = await startHop(t, { name: "middle", nextAddress: back.address });
  const front = await startHop(t, { name: "front", nextAddress: middle.address });
  const client = createClient(EchoService, { address: front.address });
  t.after(() => client[Symbol.dispose]());
  const hops = { front, middle, back };
  return { hops, observer, maxConnections, call: (task, context, signal) => call(client, task, context, signal) };
}

function call(
  client: Client<typeof EchoService>,
  task: AskedTask,
  init: Partial<CallContext> = {},
  signal?: AbortSignal,
): ThreeHopCall {
  const context = createContext({ requestId: newId(), ...init });
  const marker = task.marker ?? newMarker();
  const payload = Buffer.from(JSON.stringify({ ...task, marker } satisfies Task));
  const outcome = runWithContext(context, () => client.echo({ parcel: { payload } }, signal && { signal })).then(
    ({ parcel }) => parcel?.number ?? 0n,
    (error: AppError) => error,
  );
  return { requestId: context.requestId, marker, outcome };
}

/** What no other statement has in it. */
export function newMarker(): string {
  return `three-hops-${newId()}`;
}

async function startHop(t: TestContext, settings: HopSettings): Promise<Hop> {
  const child = fork(join(import.meta.dirname, "three-hops-service.ts"), [], {
    execArgv: [],
    env: { ...process.env, SHOAL_TEST_HOP: JSON.stringify(settings) },
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const reports: HopReport[] = [];
  child.on("message", (report) => reports.push(report as HopReport));
  const stop = async () => {
    if (child.connected) child.disconnect();
    return (await exited)[0];
  };
  t.after(async () => {
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await stop();
    clearTimeout(timer);
  });
  const next = <E extends HopReport["event"]>(event: E, matches: (report: ReportOf<E>) => boolean = () => true) =>
    until(`${settings.name} tells ${event}`, () => {
      if (child.exitCode !== null) throw new Error(`${settings.name} ended with ${child.exitCode}`);
      return reports.find((report): report is ReportOf<E> => report.event === event && matches(report as ReportOf<E>));
    });
  const { port } = await next("listening");
  return {
    address: `127.0.0.1:${port}`,
    told: (event, requestId) => next(event, ({ call }: ReportOf<CallEvent>) => call.requestId === requestId),
    count: (event, requestId) =>
      reports.filter((report) => report.event === event && "call" in report && report.call.requestId === requestId)
        .length,
    state: async () => {
      const known = reports.length;
      child.send("tell your state" satisfies HopQuestion);
      return (await next("state", (report) => reports.indexOf(report) >= known)).state;
    },
    stop,
  };
}

/** Watches a database from outside, over a connection of its own. */
export interface Observer {
  /** Waits until the server's process list has `count` statements with `marker`. */
  untilRunning(marker: string, count?: number): Promise<void>;
  /** Waits until it has none; answers when it was first seen so: milliseconds, on the clock of `performance.now()`. */
  untilGone(marker: string): Promise<number>;
  /** The service's connections, and what each is doing: `null` when it is idle. */
  connections(): Promise<readonly { readonly id: number; readonly statement: string | null }[]>;
  /** Runs a statement in the database; answers its rows. */
  query(statement: string, values?: readonly string[]): Promise<readonly RowDataPacket[]>;
}

async function observe(t: TestContext, databaseUrl: string): Promise<Observer> {
  const { username, pathname } = new URL(databaseUrl);
  const server = await databaseServer();
  if (server === undefined) throw new Error("no database server");
  const connection: Connection = await createConnection(new URL(pathname, server).href);
  t.after(() => connection.end());
  const query = async (statement: string, values: readonly string[] = []) =>
    (await connection.query<RowDataPacket[]>(statement, [...values]))[0];
  const connections = async () =>
    (await query("select id as id, info as statement from information_schema.processlist where user = ?", [
      username,
    ])) as { id: number; statement: string | null }[];
  const running = async (marker: string) =>
    (await connections()).filter(({ statement }) => statement?.includes(marker)).length;
  const poll = async (what: string, holds: () => Promise<boolean>) => {
    const giveUpAt = performance.now() + 15_000;
    while (!(await holds())) {
      if (performance.now() > giveUpAt) throw new Error(`not within 15 s: ${what}`);
      // Much less than what is measured by it.
      await sleep(1);
    }
    return performance.now();
  };
  return {
    untilRunning: async (marker, count = 1) => {
      await poll(`${count} statements run with ${marker}`, async () => (await running(marker)) === count);
    },
    untilGone: (marker) => poll(`no statement runs with ${marker}`, async () => (await running(marker)) === 0),
    connections,
    query,
  };
}

/** When a point in time, in milliseconds since the epoch, is or was on the clock of `performance.now()`. */
export function onPerformanceClock(at: number): number {
  return performance.now() + (at - Date.now());
}
