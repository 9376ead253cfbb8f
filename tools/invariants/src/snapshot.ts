import { existsSync } from "node:fs";
import { openDatabase, parseDatabaseUrl } from "@shoal/storage";
import { type Kysely, type RawBuilder, sql } from "kysely";

/** A database that cannot be checked, in words. */
export class SnapshotError extends Error {}

/** One database as it was at one moment, whatever is written to it meanwhile. */
export interface Snapshot {
  /** The rows of a statement; counts and sums are read as `bigint`. */
  rows<R>(statement: RawBuilder<R>): Promise<readonly R[]>;
  /** The words of the engine for joining texts, which SQLite and MySQL have different ones for. */
  concat(...parts: readonly RawBuilder<unknown>[]): RawBuilder<string>;
  /** All of a group's texts in one, line by line. */
  joinLines(text: RawBuilder<unknown>, order: RawBuilder<unknown>): RawBuilder<string>;
  /** A whole number as one of 64 bits. */
  bigint(value: RawBuilder<unknown>): RawBuilder<bigint>;
}

/** Opens a database for reading, with one connection of its own. Throws a {@link SnapshotError} where there is none. */
export function openForReading(url: string) {
  const where = parseDatabaseUrl(url);
  if (where.engine === "sqlite" && !existsSync(where.path))
    throw new SnapshotError(`there is no database ${where.path}`);
  return openDatabase<unknown>(url, { maxConnections: 1, leakAfterMs: 2_147_483_647, closeGraceMs: 0 });
}

/** Lends a database as it is now to `work`. Neither locks anything nor keeps anybody from writing. */
export async function withSnapshot<T>(url: string, work: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  const database = openForReading(url);
  const isMysql = database.engine === "mysql";
  try {
    return await database.db.connection().execute(async (connection) => {
      for (const statement of isMysql ? mysqlBegin : sqliteBegin) await sql.raw(statement).execute(connection);
      try {
        return await work(isMysql ? mysqlSnapshot(connection) : sqliteSnapshot(connection));
      } finally {
        await sql.raw("rollback").execute(connection);
      }
    });
  } finally {
    await database.close();
  }
}

const mysqlBegin = [
  // Lines are joined, however many an order has.
  "set session group_concat_max_len = 16000000",
  "set session transaction isolation level repeatable read",
  "start transaction with consistent snapshot, read only",
];

/** A deferred transaction is a snapshot from its first statement on, and takes no lock that a writer wants. */
const sqliteBegin = ["pragma cache_size = -131072", "pragma mmap_size = 2000000000", "begin deferred"];

const rowsOn =
  (connection: Kysely<unknown>) =>
  async <R>(statement: RawBuilder<R>): Promise<readonly R[]> =>
    (await statement.execute(connection)).rows;

function mysqlSnapshot(connection: Kysely<unknown>): Snapshot {
  return {
    rows: rowsOn(connection),
    concat: (...parts) => sql<string>`concat(${sql.join(parts)})`,
    joinLines: (text, order) => sql<string>`group_concat(${text} order by ${order} separator '\n')`,
    bigint: (value) => sql<bigint>`cast(${value} as signed)`,
  };
}

function sqliteSnapshot(connection: Kysely<unknown>): Snapshot {
  return {
    rows: rowsOn(connection),
    concat: (...parts) => sql<string>`(${sql.join(parts, sql` || `)})`,
    joinLines: (text, order) => sql<string>`group_concat(${text}, char(10) order by ${order})`,
    bigint: (value) => sql<bigint>`cast(${value} as integer)`,
  };
}
