// One service of the three-hop test, as a process of its own, told what it is by the environment variable
// SHOAL_TEST_HOP ({@link HopSettings} as JSON). It tells the test what it sees, and ends when the test disconnects; by
// itself, so that whatever it has left open keeps it alive. Not to be imported, but for its types.
import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { AppError, type CallContext, currentContext } from "@shoal/kernel";
import { createClient, createServer, implement } from "@shoal/rpc";
import { openDatabase } from "@shoal/storage";
import { type RawBuilder, sql } from "kysely";

/** A service passes calls on to the next one; the last one works on a database. */
export type HopSettings =
  | { readonly name: "front" | "middle"; readonly nextAddress: string }
  | { readonly name: "back"; readonly databaseUrl: string; readonly maxConnections: number };

/** What the last service shall do for a call; sent as JSON in the payload of the parcel. */
export interface Task {
  /** Stands in the statement, by which it is found in the server's process list. */
  readonly marker: string;
  /**
   * `sleep` takes 30 s. `connection` answers the id of the connection that it ran on, as soon as the lock that is called
   * like the marker is free. `insert` leaves a row in the table `visits`.
   */
  readonly statement: "sleep" | "connection" | "insert";
  /** The service that goes on only when its deadline has passed, and how it spends that time. */
  readonly late?: { readonly at: HopSettings["name"]; readonly by: "waiting" | "blocking" };
}

/** A call, as a service sees it. */
export interface SeenCall {
  readonly requestId: string;
  readonly priority: string;
  readonly baggage: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
}

/** What a service tells of itself. Points in time are milliseconds since the epoch. */
export type HopReport =
  | { readonly event: "listening"; readonly port: number }
  /** The handler has been called. */
  | { readonly event: "entered"; readonly at: number; readonly call: SeenCall }
  /** The handler is about to begin its own call, or its statement. */
  | { readonly event: "begins"; readonly at: number; readonly call: SeenCall }
  /** Its own call, or its statement, has failed. */
  | { readonly event: "failed"; readonly error: string; readonly call: SeenCall }
  /** The server has told how the call ended: gRPC's code by name. */
  | { readonly event: "ended"; readonly code: string; readonly path: string; readonly call: SeenCall }
  | { readonly event: "state"; readonly state: HopState };

/** What a service has in use. */
export interface HopState {
  /** Handlers at work. */
  readonly running: number;
  /** Handlers called so far. */
  readonly entered: number;
  /** TCP connections that are open: to its callers, to the next service, to the database. */
  readonly connections: number;
}

/** The one message that a service takes; it answers with a report of its state. */
export type HopQuestion = "tell your state";

const settings = JSON.parse(process.env["SHOAL_TEST_HOP"] ?? "") as HopSettings;
const work = settings.name === "back" ? statements(settings) : nextService(settings);
let running = 0;
let entered = 0;

const unused = (): never => {
  throw new Error("only Echo is called");
};
const server = createServer({
  services: [implement(EchoService, { echo, echoAgain: unused, collect: unused, repeat: unused, converse: unused })],
  errorDomain: "shoal.test",
  onCallEnd: ({ code, path, context }) => report({ event: "ended", code, path, call: seen(context) }),
});
process.on("message", (question: HopQuestion) => {
  const connections = process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
  if (question === "tell your state") report({ event: "state", state: { running, entered, connections } });
});
process.once("disconnect", async () => {
  const { forced } = await server.drain(5_000);
  await work.close();
  process.exitCode = forced ? 1 : 0;
});
report({ event: "listening", port: await server.listen({ host: "127.0.0.1", port: 0 }) });

async function echo({ parcel }: { readonly parcel?: { readonly payload: Uint8Array } | undefined }) {
  const context = currentContext();
  if (context === undefined || parcel === undefined) throw new Error("a call without a context or a parcel");
  const task = JSON.parse(Buffer.from(parcel.payload).toString()) as Task;
  const call = seen(context);
  running += 1;
  entered += 1;
  report({ event: "entered", at: Date.now(), call });
  try {
    if (task.late?.at === settings.name) await pass(context, task.late.by);
    report({ event: "begins", at: Date.now(), call });
    return { parcel: { number: await work.run(task) } };
  } catch (error) {
    report({ event: "failed", error: error instanceof AppError ? error.reason : String(error), call });
    throw error;
  } finally {
    running -= 1;
  }
}

interface Work {
  run(task: Task): Promise<bigint>;
  close(): Promise<void>;
}

function nextService({ nextAddress }: HopSettings & { readonly name: "front" | "middle" }): Work {
  const client = createClient(EchoService, { address: nextAddress });
  return {
    run: async (task) => {
      const { parcel } = await client.echo({ parcel: { payload: Buffer.from(JSON.stringify(task)) } });
      return parcel?.number ?? 0n;
    },
    close: async () => client[Symbol.dispose](),
  };
}

function statements({ databaseUrl, maxConnections }: HopSettings & { readonly name: "back" }): Work {
  const database = openDatabase(databaseUrl, { maxConnections });
  const statementOf = ({ marker, statement }: Task): RawBuilder<{ readonly answer: bigint }> => {
    const comment = sql.raw(`/* ${marker} */`);
    switch (statement) {
      case "sleep":
        return sql`select sleep(30) as answer ${comment}`;
      case "connection":
        return sql`select get_lock(${marker}, 30), release_lock(${marker}), connection_id() as answer ${comment}`;
      case "insert":
        return sql`insert into visits (marker) values (${marker}) ${comment}`;
    }
  };
  return {
    run: async (task) => {
      const { rows } = await statementOf(task).execute(database.db);
      return BigInt(rows[0]?.answer ?? 0);
    },
    close: () => database.close(),
  };
}

/** Lets the deadline pass: waiting, until the signal has told so; blocking, so that no timer can tell it yet. */
async function pass({ deadline, signal }: CallContext, by: "waiting" | "blocking"): Promise<void> {
  while (Date.now() <= deadline || (by === "waiting" && !signal.aborted)) if (by === "waiting") await sleep(1);
}

function seen({ requestId, priority, baggage, deadline }: CallContext): SeenCall {
  return { requestId, priority, baggage: Object.fromEntries(baggage), deadline };
}

function report(message: HopReport): void {
  if (process.connected) process.send?.(message);
}
