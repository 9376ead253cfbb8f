import type { Socket } from "node:net";
import type { Lease } from "@shoal/pool";
import type { MysqlPoolConnection } from "kysely";
import { type Connection, createConnection, type Query, type TypeCastField, type TypeCastNext } from "mysql2";
import type { DatabaseUrl } from "./database-url.ts";
import { isLostConnection, isReadOnly } from "./errors.ts";

/** How long the server may take to end a connection when told so, in milliseconds. */
const quitTimeoutMs = 1_000;

/**
 * What every connection is set to, whatever the server's own settings are. READ COMMITTED: our writes are conditional
 * or lock their rows by key, and need no gap locks, which would make unrelated inserts deadlock. A lock is
 * waited for for a second, so that few connections wait for what somebody holds for long; and a session that says nothing for two
 * minutes is ended, lest a process that hangs, or is cut off, keep its locks for the server's eight hours. The isolation level
 * has a statement of its own because its variable has another name on MariaDB 10.
 */
const sessionStatements = [
  "set session transaction isolation level read committed",
  "set session sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', " +
    "time_zone = '+00:00', innodb_lock_wait_timeout = 1, wait_timeout = 120",
];

/**
 * Connects, and sets the session. Whole numbers of 64 bits are read as `bigint`. Rejects with the driver's error, or when
 * `signal` aborts. The server has `connectTimeoutMs` to accept it, and the connection by which Kysely stops a statement of
 * it. `onLost` is told when the connection is lost while nobody uses it; one that is lost in use says so by
 * its statements' errors, and is discarded on its return.
 */
export async function openMysqlConnection(
  url: DatabaseUrl & { readonly engine: "mysql" },
  connectTimeoutMs: number,
  signal: AbortSignal,
  onLost: (connection: MysqlConnection, error: unknown) => void,
): Promise<MysqlConnection> {
  const raw = createConnection({
    host: url.host,
    port: url.port,
    user: url.user,
    password: url.password,
    database: url.database,
    charset: "utf8mb4",
    timezone: "Z",
    connectTimeout: connectTimeoutMs,
    enableKeepAlive: true,
    typeCast: bigints,
  });
  const connection = new MysqlConnection(raw, onLost);
  const giveUp = () => connection.destroy();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    // Commands run in order, the first after the handshake, whose failure is theirs.
    await Promise.all(sessionStatements.map((statement) => connection.run(statement)));
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/**
 * A connection of mysql2 as Kysely wants to see it, with the lease by which the pool has lent it.
 * States: idle ⇄ lent → closed; from each it may become lost.
 */
export class MysqlConnection implements MysqlPoolConnection {
  readonly #raw: Connection;
  #lease: Lease<MysqlConnection> | undefined;
  /** Why it is of no more use. */
  #lost: unknown;
  /** The statement that was begun last of those that are read as a stream. */
  #streamed: Query | undefined;

  constructor(raw: Connection, onLost: (connection: MysqlConnection, error: unknown) => void) {
    this.#raw = raw;
    const lose = (error: unknown) => {
      this.#lost ??= error;
      this.#failStream();
      // Closed while a statement runs, mysql2 would never tell the statement.
      if (this.#lease === undefined) onLost(this, error);
    };
    raw.on("error", lose);
    // The code that mysql2 gives it a moment later.
    const ended = { code: "PROTOCOL_CONNECTION_LOST" };
    raw.on("end", () => lose(Object.assign(new Error("the server has ended the connection"), ended)));
  }

  /** What it was opened with; Kysely opens the connection that stops a statement with it. */
  get config(): object {
    return this.#raw.config;
  }

  /** The server's number of it. */
  get threadId(): number {
    return this.#raw.threadId as number;
  }

  /** Is lent; `release` returns the lease. */
  lendBy(lease: Lease<MysqlConnection>): this {
    this.#lease = lease;
    return this;
  }

  /** Returns the lease: a connection that is lost is not lent again. */
  release(): void {
    const lease = this.#lease;
    this.#lease = undefined;
    if (this.#lost === undefined) lease?.release();
    else lease?.discard(this.#lost);
  }

  /** Runs a statement; without `callback` it is read as a stream. */
  query(
    text: string,
    parameters: unknown,
    callback?: Parameters<MysqlPoolConnection["query"]>[2],
  ): ReturnType<MysqlPoolConnection["query"]> {
    const values = parameters as unknown[];
    if (callback === undefined) {
      this.#streamed = this.#raw.query(text, values);
      // Once whoever asked listens.
      if (this.#lost !== undefined) process.nextTick(() => this.#failStream());
      return this.#streamed as never;
    }
    return this.#raw.query(text, values, (error, result) => {
      // After a failover the way to the one that takes changes may be a new connection's.
      if (isLostConnection(error) || isReadOnly(error)) this.#lost ??= error;
      callback(error, result as never);
    }) as never;
  }

  /** mysql2 tells a lost connection to statements with a callback only; a stream would never end. */
  #failStream(): void {
    // One that has ended has no listener any more.
    if (this.#streamed?.listenerCount("error")) this.#streamed.emit("error", this.#lost);
  }

  /** Runs a statement without an answer. */
  run(statement: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#raw.query(statement, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Whether the server answers. */
  ping(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#raw.ping((error) => resolve(!error));
    });
  }

  /** Is told when it is connected. */
  connect(callback?: (error: unknown) => void): void {
    this.#raw.connect(callback);
  }

  /** Ends it at once; what is at work on it fails. */
  destroy(): void {
    this.#socket.destroy(new Error("the connection was ended"));
  }

  /** Tells the server, or ends what is at work, which fails; settles when the connection is closed, and never rejects. */
  async close(): Promise<void> {
    const socket = this.#socket;
    if (socket.closed) return;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    if (this.#lease !== undefined || this.#lost !== undefined) this.destroy();
    else this.#raw.end();
    const timer = setTimeout(() => this.destroy(), quitTimeoutMs);
    await closed;
    clearTimeout(timer);
  }

  get #socket(): Socket {
    // Not in its types.
    return (this.#raw as unknown as { readonly stream: Socket }).stream;
  }
}

function bigints(field: TypeCastField, next: TypeCastNext): unknown {
  if (field.type !== "LONGLONG") return next();
  const text = field.string();
  return text === null ? null : BigInt(text);
}
