import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { type Lease, Pool } from "@shoal/pool";
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { type ConnectionSettings, type Engine, leaseForCall } from "./connections.ts";
import { isSqliteBusy } from "./errors.ts";

/** How long a statement waits for another process that is writing to the same file, and how often it looks. */
const busyTimeoutMs = 5_000;
const busyPollMs = 5;

/** Prepared statements kept; one that is used again skips the parser. */
const maxStatements = 256;

/**
 * Kysely on `node:sqlite`: one connection, which is all that SQLite can use for writing, and which stays open once it is.
 * WAL, every commit synced to disk, foreign keys on. A missing file is created, its folder too. Statements run
 * synchronously.
 */
export function sqliteEngine(path: string, settings: ConnectionSettings): Engine {
  const never = Number.POSITIVE_INFINITY;
  const pool = new Pool({
    ...settings,
    name: "SQLite database",
    min: 0,
    max: 1,
    idleMs: never,
    maxAgeMs: never,
    open: () => openConnection(path),
    close: (connection) => connection.close(),
  });
  const dialect: Dialect = {
    createAdapter: () => new NodeSqliteAdapter(),
    createDriver: () => new NodeSqliteDriver(pool),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
  return { dialect, pool };
}

class NodeSqliteAdapter extends SqliteAdapter {
  /** Has the migrator read its state and change the schema in one transaction, so that two processes take turns. */
  override get supportsTransactionalDdl(): boolean {
    return true;
  }

  /** Kysely would queue callers before a single connection without bound or deadline; the pool does better. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class NodeSqliteDriver implements Driver {
  readonly #pool: Pool<NodeSqliteConnection>;
  /** The one lease of the one connection. */
  #lease: Lease<NodeSqliteConnection> | undefined;

  constructor(pool: Pool<NodeSqliteConnection>) {
    this.#pool = pool;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    this.#lease = await leaseForCall(this.#pool);
    return this.#lease.member;
  }

  /** Takes the write lock at once: a transaction that reads first and is refused the lock later would have to be undone. */
  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("commit"));
  }

  async rollbackTransaction(connection: NodeSqliteConnection): Promise<void> {
    connection.rollback();
  }

  async releaseConnection(): Promise<void> {
    this.#lease?.release();
  }

  /** Whoever made the pool drains it. */
  async destroy(): Promise<void> {}
}

/** Waits for other processes that open the same file: SQLite itself does not wait where they make it one with a log (WAL). */
async function openConnection(path: string): Promise<NodeSqliteConnection> {
  makeFolder(dirname(path));
  const giveUpAt = performance.now() + busyTimeoutMs;
  while (true) {
    const database = new DatabaseSync(path, { enableForeignKeyConstraints: true });
    try {
      database.exec("pragma journal_mode = wal; pragma synchronous = full;");
      return new NodeSqliteConnection(database);
    } catch (error) {
      database.close();
      if (!isSqliteBusy(error) || performance.now() >= giveUpAt) throw error;
      await sleep(busyPollMs);
    }
  }
}

class NodeSqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  close(): void {
    this.#database.close();
  }

  /** Takes the transaction back; a failed statement may have ended it already. */
  rollback(): void {
    if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec("rollback");
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    // As mysql2 says it.
    if (!this.#database.isOpen) throw Object.assign(new Error("the connection was ended"), { fatal: true });
    const giveUpAt = performance.now() + busyTimeoutMs;
    while (true) {
      try {
        return this.#execute(query);
      } catch (error) {
        // Within a transaction the lock is held; and what failed there must not be run again by itself.
        if (!isSqliteBusy(error) || this.#database.isTransaction || performance.now() >= giveUpAt) throw error;
        await sleep(busyPollMs);
      }
    }
  }

  #execute<R>(query: CompiledQuery): QueryResult<R> {
    const statement = this.#prepare(query.sql);
    const parameters = query.parameters as SQLInputValue[];
    const columns = statement.columns();
    if (columns.length === 0) return { rows: [], numAffectedRows: BigInt(statement.run(...parameters).changes) };
    const rows = statement.all(...parameters);
    const ints = columns.filter((column) => column.type === "INT").map((column) => column.name);
    for (const row of rows) for (const name of ints) if (row[name] !== null) row[name] = Number(row[name]);
    return { rows: rows as R[] };
  }

  // biome-ignore lint/correctness/useYield: the interface wants a generator, and nothing here streams.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("streaming is not supported; page by key instead");
  }

  #prepare(text: string): StatementSync {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    if (this.#statements.size >= maxStatements) this.#statements.clear();
    const statement = this.#database.prepare(text);
    statement.setReadBigInts(true);
    this.#statements.set(text, statement);
    return statement;
  }
}

/** Level by level: Node's own recursive mkdir never returns where the system takes no folders, such as in /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process of the same system may have made it meanwhile.
    if (!existsSync(path)) throw error;
  }
}
