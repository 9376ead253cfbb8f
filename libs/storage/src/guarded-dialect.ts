import { isAppError } from "@shoal/kernel";
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult, TransactionSettings } from "kysely";
import {
  endingWithCall,
  failureForCall,
  outlastingCall,
  requireOngoingCall,
  type Stop,
  stopUntilSettled,
} from "./ended-calls.ts";
import { translateError } from "./errors.ts";
import type { StatementObserver } from "./statement-telemetry.ts";

/**
 * Has what another dialect does end with the call that it is for, and translates the errors that a caller can act on. When
 * the call that a statement is for is cancelled or its deadline passes, the wait ends, a statement that runs is stopped
 * where the engine can (MySQL: KILL QUERY), no further one is begun, and nothing is committed.
 */
export function guardedDialect(inner: Dialect, observer: StatementObserver = unobserved): Dialect {
  return {
    createAdapter: () => inner.createAdapter(),
    createDriver: () => new GuardedDriver(inner.createDriver(), observer),
    createIntrospector: (db) => inner.createIntrospector(db),
    createQueryCompiler: () => inner.createQueryCompiler(),
  };
}

const unobserved: StatementObserver = {
  statement: (_, run) => run(),
  transaction: (_, run) => run(),
};

class GuardedDriver implements Driver {
  readonly #inner: Driver;
  readonly #observer: StatementObserver;

  constructor(inner: Driver, observer: StatementObserver) {
    this.#inner = inner;
    this.#observer = observer;
  }

  async init(): Promise<void> {
    await this.#inner.init();
  }

  async acquireConnection(): Promise<GuardedConnection> {
    requireOngoingCall();
    const connection = await this.#acquire();
    try {
      // By what it learns here a statement can be stopped later; mysql2 knows it without asking the server.
      await connection.collectSessionInfo?.();
      return new GuardedConnection(connection, this.#observer);
    } catch (error) {
      await this.#inner.releaseConnection(connection);
      throw error;
    }
  }

  async #acquire(): Promise<DatabaseConnection> {
    try {
      return await this.#inner.acquireConnection();
    } catch (error) {
      throw translateError(failureForCall(error));
    }
  }

  async releaseConnection(connection: GuardedConnection): Promise<void> {
    await this.#inner.releaseConnection(connection.inner);
  }

  async beginTransaction(connection: GuardedConnection, settings: TransactionSettings): Promise<void> {
    requireOngoingCall();
    await connection.outlasting("BEGIN", () => this.#inner.beginTransaction(connection.inner, settings));
  }

  async commitTransaction(connection: GuardedConnection): Promise<void> {
    requireOngoingCall();
    await connection.outlasting("COMMIT", () => this.#inner.commitTransaction(connection.inner));
  }

  async rollbackTransaction(connection: GuardedConnection): Promise<void> {
    try {
      await connection.outlasting("ROLLBACK", () => this.#inner.rollbackTransaction(connection.inner));
    } catch (error) {
      // A lost connection is rolled back by the server. What the transaction failed with must not be hidden by this.
      if (!isAppError(error, "DATABASE_UNAVAILABLE")) throw error;
    }
  }

  async destroy(): Promise<void> {
    await this.#inner.destroy();
  }
}

/** Kysely asks for a pooled connection to stop a statement by only where it has no other way. */
const noOtherConnection = async (): Promise<void> => {};

class GuardedConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection;
  readonly #stop: Stop | undefined;
  readonly #observer: StatementObserver;

  constructor(inner: DatabaseConnection, observer: StatementObserver) {
    this.inner = inner;
    this.#observer = observer;
    this.#stop =
      inner.cancelQuery &&
      (async (lastResort) => {
        if (lastResort) await inner.killSession?.(noOtherConnection);
        else await inner.cancelQuery?.(noOtherConnection);
      });
  }

  /** Runs what begins or ends a transaction. */
  async outlasting(name: string, run: () => Promise<void>): Promise<void> {
    await this.#observer.transaction(name, () => outlastingCall(this.#stop, () => translated(run)));
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return await this.#observer.statement(query, () =>
      endingWithCall(this.#stop, () => translated(() => this.inner.executeQuery<R>(query))),
    );
  }

  async *streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    requireOngoingCall();
    const results = this.inner.streamQuery<R>(query, chunkSize);
    let ended = false;
    try {
      while (true) {
        const { done, value } = await endingWithCall(this.#stop, () => translated(() => results.next()));
        ended = done === true;
        if (ended) return;
        yield value;
      }
    } finally {
      if (!ended) await this.#leave(results);
    }
  }

  /** Has the server stop a stream that is read no further, so that the connection's next statement need not wait for it. */
  async #leave(results: AsyncIterableIterator<unknown>): Promise<void> {
    const leaving = readToEnd(results);
    if (this.#stop !== undefined) await stopUntilSettled(this.#stop, leaving);
    // What a stream that was stopped fails with concerns nobody any more.
    await leaving.catch(() => {});
  }
}

async function readToEnd(results: AsyncIterableIterator<unknown>): Promise<void> {
  while (!(await results.next()).done);
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translateError(error);
  }
}
