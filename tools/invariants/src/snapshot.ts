import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { parseDatabaseUrl } from "@shoal/storage";
import { createConnection } from "mysql2";

/** A database that cannot be checked, in words. */
export class SnapshotError extends Error {
  /** Whether there is no such database, or nothing at its address; else it is there, and cannot be read. */
  readonly isAbsent: boolean;

  constructor(message: string, isAbsent: boolean, options?: ErrorOptions) {
    super(message, options);
    this.isAbsent = isAbsent;
  }
}

/** What the driver says where there is no such database, or nothing that could be one. */
const absences: ReadonlySet<unknown> = new Set([
  "ER_BAD_DB_ERROR",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
]);

/** Why a service's database could not be opened. */
export function snapshotError(service: string, error: unknown): SnapshotError {
  if (error instanceof SnapshotError) return error;
  // Where several addresses were tried, the reason stands in its code.
  const { message, code } = error as Error & { readonly code?: string };
  const words = `the ${service} service's database cannot be read: ${message || code}`;
  return new SnapshotError(words, absences.has(code), { cause: error });
}

/** What is read of one row. Whole numbers beyond 2^53 are not to be read. */
export type Row = readonly (string | number | null)[];

/** A table to be read as a whole. */
export interface Scan {
  readonly from: string;
  /** Separated by commas. */
  readonly columns: string;
  readonly where?: string;
  /** What SQLite reads it in the order of, unique and indexed. Default: that in which rows were written. */
  readonly sqliteOrder?: string;
  /** Which order MySQL reads it in. Default: any. */
  readonly mysqlOrder?: string;
}

/** Rows that SQLite reads at once. */
const rowsAtOnce = 2_000;

/**
 * One database as it is at one moment, whatever is written to it meanwhile: from when it was opened, or renewed, on. Neither
 * locks anything nor keeps anybody from writing. Rows come as the drivers have them, without a query builder between: millions
 * are read.
 */
export interface Snapshot {
  readonly engine: "sqlite" | "mysql";
  /** Tells `onRow` each row, however many there are. The columns may be followed by another one. */
  each(scan: Scan, onRow: (row: Row) => void): Promise<void>;
  /** All rows of a statement that has few. */
  rows(statement: string): Promise<readonly Row[]>;
  /** From here on it is the database as it is now. */
  renew(): Promise<void>;
}

/** Opens a database for reading, as it is now, until this thread ends. Throws a {@link SnapshotError} where there is none. */
export function openSnapshot(url: string): Promise<Snapshot> {
  const where = parseDatabaseUrl(url);
  return where.engine === "sqlite" ? openSqlite(where.path) : openMysql(where);
}

async function openSqlite(path: string): Promise<Snapshot> {
  if (!existsSync(path)) {
    throw new SnapshotError(`there is no database ${path}: no service has been started with it`, true);
  }
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  database.exec("pragma cache_size = -32768");
  const prepare = (statement: string) => {
    const prepared = database.prepare(statement);
    prepared.setReturnArrays(true);
    return prepared;
  };
  // A deferred transaction is a snapshot from its first statement on.
  const begin = () => {
    database.exec("begin deferred");
    database.prepare("select count(*) from sqlite_schema").get();
  };
  begin();
  return {
    engine: "sqlite",
    each: async ({ from, columns, where = "true", sqliteOrder: order = "rowid" }, onRow) => {
      const page = prepare(
        `select ${columns}, ${order} from ${from} where ${where} and ${order} > ? order by ${order} limit ${rowsAtOnce}`,
      );
      let last = Number.MIN_SAFE_INTEGER;
      while (true) {
        const rows = page.all(last) as unknown as readonly Row[];
        for (const row of rows) onRow(row);
        if (rows.length < rowsAtOnce) return;
        last = rows.at(-1)?.at(-1) as number;
      }
    },
    rows: async (statement) => prepare(statement).all() as unknown as readonly Row[],
    renew: async () => {
      database.exec("rollback");
      begin();
    },
  };
}

async function openMysql(where: ReturnType<typeof parseDatabaseUrl> & { engine: "mysql" }): Promise<Snapshot> {
  const { engine, ...options } = where;
  const connection = createConnection({ ...options, charset: "utf8mb4", rowsAsArray: true });
  // mysql2 tells statements that are read row by row nothing of a connection that is lost.
  const lost = new Promise<never>((_, reject) => {
    connection.on("error", reject);
    connection.on("end", () => reject(new Error("the server has ended the connection")));
  });
  lost.catch(() => {});
  const run = (statement: string, onRow: (row: Row) => void = () => {}) =>
    Promise.race([
      lost,
      new Promise<void>((resolve, reject) => {
        const query = connection.query(statement);
        query.on("result", onRow as never);
        query.on("error", reject);
        query.on("end", resolve);
      }),
    ]);
  const begin = () => run("start transaction with consistent snapshot, read only");
  await run("set session transaction isolation level repeatable read");
  await begin();
  return {
    engine,
    each: ({ from, columns, where = "true", mysqlOrder }, onRow) => {
      const order = mysqlOrder === undefined ? "" : `order by ${mysqlOrder}`;
      return run(`select ${columns} from ${from} where ${where} ${order}`, onRow);
    },
    rows: async (statement) => {
      const rows: Row[] = [];
      await run(statement, (row) => rows.push(row));
      return rows;
    },
    renew: begin,
  };
}
