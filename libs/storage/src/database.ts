import { setTimeout as sleep } from "node:timers/promises";
import { requireInteger } from "@shoal/kernel";
import { Kysely, type Transaction } from "kysely";
import { type DatabaseUrl, parseDatabaseUrl } from "./database-url.ts";
import { isTransient } from "./errors.ts";
import { guardedDialect } from "./guarded-dialect.ts";
import { mysqlDialect } from "./mysql-dialect.ts";
import { sqliteDialect } from "./sqlite-dialect.ts";

/** How a database is used. */
export interface DatabaseOptions {
  /** Connections open at once, 1 to 1,000. SQLite always has 1. */
  readonly maxConnections: number;
  /** Calls that may wait for a connection, 0 to 100,000; one more is refused (`exhausted`, `DATABASE_BUSY`). */
  readonly maxWaiting: number;
  /** How often a transaction is run, 1 to 20, before a deadlock or a lock that takes too long is passed on. */
  readonly maxAttempts: number;
}

/** 10 connections, 1,000 waiting calls, 5 attempts. */
export const defaultDatabaseOptions: DatabaseOptions = Object.freeze({
  maxConnections: 10,
  maxWaiting: 1_000,
  maxAttempts: 5,
});

/** One service's own database, with tables `S`. */
export interface Database<S> {
  /** Which engine it is, for the few statements that differ. */
  readonly engine: DatabaseUrl["engine"];
  /** Builds and runs single statements. */
  readonly db: Kysely<S>;
  /**
   * Runs `work` in one transaction: all of it is committed, or nothing. After a deadlock or a lock that took too long
   * it is run anew, so it must have no effect but through `tx`. No remote call belongs in it.
   */
  transaction<T>(work: (tx: Transaction<S>) => Promise<T>): Promise<T>;
  /** Closes all connections, after the statements at work. */
  close(): Promise<void>;
}

/**
 * Opens the database that `url` names ({@link parseDatabaseUrl}); throws an `Error` for a malformed URL or options
 * out of range. Connects when first used. The caller closes it.
 */
export function openDatabase<S>(url: string, options: Partial<DatabaseOptions> = {}): Database<S> {
  const { maxConnections, maxWaiting, maxAttempts } = { ...defaultDatabaseOptions, ...options };
  requireInteger("maxConnections", maxConnections, 1, 1_000);
  requireInteger("maxWaiting", maxWaiting, 0, 100_000);
  requireInteger("maxAttempts", maxAttempts, 1, 20);
  const where = parseDatabaseUrl(url);
  const connections = where.engine === "sqlite" ? 1 : maxConnections;
  const dialect = where.engine === "sqlite" ? sqliteDialect(where.path) : mysqlDialect(where, connections);
  const db = new Kysely<S>({ dialect: guardedDialect(dialect, { maxConnections: connections, maxWaiting }) });
  return {
    engine: where.engine,
    db,
    transaction: async (work) => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await db.transaction().execute(work);
        } catch (error) {
          if (attempt >= maxAttempts || !isTransient(error)) throw error;
          // Full jitter: those who collided should not collide again.
          await sleep(Math.random() * 10 * 2 ** attempt);
        }
      }
    },
    close: () => db.destroy(),
  };
}
