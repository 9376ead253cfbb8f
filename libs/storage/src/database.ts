import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { crashPoint, type Priority, requireInteger } from "@shoal/kernel";
import {
  type Borrower,
  defaultPoolOptions,
  type PoolEvent,
  type PoolOptions,
  type PoolStats,
  Watermarks,
} from "@shoal/pool";
import type { Instruments } from "@shoal/telemetry";
import { Kysely, type Transaction } from "kysely";
import { connectionTelemetry } from "./connection-telemetry.ts";
import { type DatabaseUrl, parseDatabaseUrl } from "./database-url.ts";
import { databaseBusy, isDeadlock } from "./errors.ts";
import { guardedDialect } from "./guarded-dialect.ts";
import { mysqlEngine } from "./mysql-dialect.ts";
import { sqliteEngine } from "./sqlite-dialect.ts";
import { statementTelemetry } from "./statement-telemetry.ts";

/** How a database is used. Times are in milliseconds; see `@shoal/pool` for what they do and their ranges. */
export interface DatabaseOptions {
  /** Connections open at once, 1 to 1,000. SQLite always has 1. */
  readonly maxConnections: number;
  /** Connections kept open, 0 to `maxConnections`. SQLite has none until it is used, and keeps that. */
  readonly minConnections: number;
  /** Calls that may wait for a connection, 0 to 100,000; one more is refused (`exhausted`, `DATABASE_BUSY`). */
  readonly maxWaiting: number;
  /** How long a call waits for a connection at most, however late its deadline is; then it is refused likewise. */
  readonly acquireTimeoutMs: number;
  /** How long the server may take to accept a connection, or to answer when one is checked, 1 to 3,600,000. */
  readonly connectTimeoutMs: number;
  /** Unused for so long, a connection is checked before it is used. SQLite's never is. */
  readonly checkAfterMs: number;
  /** Unused for so long, a connection is closed. SQLite's never is. */
  readonly idleMs: number;
  /** So old, less up to a fifth, a connection is replaced. SQLite's never is. */
  readonly maxAgeMs: number;
  /** In use for so long without a break, a connection is reported as leaked. */
  readonly leakAfterMs: number;
  /** Calls that use or wait for a connection, from `lowWater` + 1, from which on the database is busy; see `Database.isBusy`. */
  readonly highWater: number;
  /** The number of them, from 0, at which it is busy no more. */
  readonly lowWater: number;
  /** How often a transaction is run, 1 to 20, before a deadlock is passed on. */
  readonly maxAttempts: number;
  /** How long `close` waits for what is at work, from 0. */
  readonly closeGraceMs: number;
  /** Told of all that happens to connections, for metrics and logs ({@link logConnections}). Default: nobody. */
  readonly onConnectionEvent?: NonNullable<PoolOptions<never>["onEvent"]>;
  /** What its statements and connections are seen by, as traces and metrics. Default: nothing. */
  readonly telemetry?: Instruments | undefined;
}

/** 10 connections, 1,000 waiting calls for 10 s, busy from 200 to 100 calls, 5 attempts; else what a pool does by itself. */
export const defaultDatabaseOptions: DatabaseOptions = Object.freeze({
  maxConnections: 10,
  minConnections: 0,
  maxWaiting: 1_000,
  acquireTimeoutMs: 10_000,
  connectTimeoutMs: 5_000,
  checkAfterMs: defaultPoolOptions.checkAfterMs,
  idleMs: defaultPoolOptions.idleMs,
  maxAgeMs: defaultPoolOptions.maxAgeMs,
  leakAfterMs: defaultPoolOptions.leakAfterMs,
  highWater: 200,
  lowWater: 100,
  maxAttempts: 5,
  closeGraceMs: 10_000,
});

/** One service's own database, with tables `S`. */
export interface Database<S> {
  /** Which engine it is, for the few statements that differ. */
  readonly engine: DatabaseUrl["engine"];
  /** Builds and runs single statements. */
  readonly db: Kysely<S>;
  /** The figures of its connections now. */
  readonly stats: PoolStats;
  /**
   * Whether so many calls use or wait for a connection that no more should begin: from `highWater` of them on, until they
   * are down to `lowWater`. Cheap: for asking at every call. Nothing is refused by this alone; see {@link admission}.
   */
  readonly isBusy: boolean;
  /** Who has a connection, by request id, and for how long, the longest first. */
  borrowers(): readonly Borrower[];
  /**
   * Runs `work` in one transaction: all of it is committed, or nothing. After a deadlock it is run anew, so it must have no
   * effect but through `tx`. After `maxAttempts`, and when a lock was waited for in vain for a second, it fails
   * (`unavailable`, `DATABASE_CONTENDED`). No remote call belongs in it.
   */
  transaction<T>(work: (tx: Transaction<S>) => Promise<T>): Promise<T>;
  /**
   * Refuses what waits and what comes (`unavailable`, `DATABASE_UNAVAILABLE`), waits for statements and transactions at
   * work for `closeGraceMs`, and closes all connections.
   */
  close(): Promise<void>;
}

/**
 * Opens the database that `url` names ({@link parseDatabaseUrl}); throws an `Error` for a malformed URL or options
 * out of range. Connects when first used, unless `minConnections` says otherwise. The caller closes it.
 */
export function openDatabase<S>(url: string, options: Partial<DatabaseOptions> = {}): Database<S> {
  const complete = { ...defaultDatabaseOptions, ...options };
  const { highWater, lowWater, maxAttempts, closeGraceMs } = complete;
  requireInRange(complete);
  const where = parseDatabaseUrl(url);
  const { telemetry, onConnectionEvent } = complete;
  const name = where.engine === "sqlite" ? basename(where.path) : where.database;
  const most = where.engine === "sqlite" ? 1 : complete.maxConnections;
  // The pool comes after what it tells.
  const count: (event: PoolEvent) => void =
    telemetry === undefined ? () => {} : connectionTelemetry(telemetry.metrics, name, most, () => engine.pool.stats);
  const onEvent = (event: PoolEvent) => {
    count(event);
    onConnectionEvent?.(event);
  };
  const settings = poolSettings(complete, onEvent);
  const engine = where.engine === "sqlite" ? sqliteEngine(where.path, settings) : mysqlEngine(where, settings);
  const { dialect, pool } = engine;
  const db = new Kysely<S>({ dialect: guardedDialect(dialect, telemetry && statementTelemetry(telemetry, where)) });
  const watermarks = new Watermarks(() => pool.wanted, { high: highWater, low: lowWater });
  return {
    engine: where.engine,
    db,
    get stats() {
      return pool.stats;
    },
    get isBusy() {
      return watermarks.isHigh;
    },
    borrowers: () => pool.borrowers(),
    transaction: async (work) => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const result = await db.transaction().execute(async (tx) => {
            const done = await work(tx);
            crashPoint("before-commit");
            return done;
          });
          crashPoint("after-commit");
          return result;
        } catch (error) {
          // A lock that was waited for in vain is left to whoever called: meanwhile nobody waits here with a connection.
          if (!isDeadlock(error) || attempt >= maxAttempts) throw error;
          // Full jitter: those who collided should not collide again.
          await sleep(Math.random() * 10 * 2 ** attempt);
        }
      }
    },
    close: async () => {
      // Kysely's own end would do nothing more, but answer later callers with an error of its own instead of the pool's.
      await pool.drain(closeGraceMs);
    },
  };
}

/**
 * The layer of a server that refuses calls (`exhausted`, `DATABASE_BUSY`) while a database is busy: what has begun gets on,
 * and what has not learns at once when to come again, where it would fail late in a queue that is too long. Critical calls
 * are let through, and queue: there should be few of them.
 */
export function admission(database: Pick<Database<unknown>, "isBusy">) {
  return async ({ priority }: { readonly priority: Priority }, next: () => Promise<void>): Promise<void> => {
    if (database.isBusy && priority !== "critical") throw databaseBusy();
    await next();
  };
}

function requireInRange(options: DatabaseOptions): void {
  requireInteger("maxConnections", options.maxConnections, 1, 1_000);
  requireInteger("minConnections", options.minConnections, 0, options.maxConnections);
  requireInteger("maxWaiting", options.maxWaiting, 0, 100_000);
  requireInteger("connectTimeoutMs", options.connectTimeoutMs, 1, 3_600_000);
  requireInteger("lowWater", options.lowWater, 0);
  requireInteger("highWater", options.highWater, options.lowWater + 1);
  requireInteger("maxAttempts", options.maxAttempts, 1, 20);
  requireInteger("closeGraceMs", options.closeGraceMs, 0);
}

function poolSettings(options: DatabaseOptions, onEvent: (event: PoolEvent) => void) {
  const { acquireTimeoutMs, checkAfterMs, idleMs, maxAgeMs, leakAfterMs } = options;
  return {
    min: options.minConnections,
    max: options.maxConnections,
    maxWaiters: options.maxWaiting,
    openTimeoutMs: options.connectTimeoutMs,
    acquireTimeoutMs,
    checkAfterMs,
    idleMs,
    maxAgeMs,
    leakAfterMs,
    onEvent,
  };
}
