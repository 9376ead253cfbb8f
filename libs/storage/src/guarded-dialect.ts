import { Semaphore } from "@shoal/concurrency";
import { AppError, currentContext, isAppError } from "@shoal/kernel";
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult, TransactionSettings } from "kysely";
import { translateError } from "./errors.ts";

/** How many may use the database at once, and how many may wait. */
export interface GuardOptions {
  readonly maxConnections: number;
  readonly maxWaiting: number;
}

/**
 * Puts a bounded queue before another dialect's connections, and translates the errors that a caller can act on.
 * When the call that a statement is for is cancelled or its deadline passes, the wait ends, a statement that runs is
 * stopped where the engine can (MySQL: KILL QUERY), and no further one is begun.
 */
export function guardedDialect(inner: Dialect, options: GuardOptions): Dialect {
  return {
    createAdapter: () => inner.createAdapter(),
    createDriver: () => new GuardedDriver(inner.createDriver(), options),
    createIntrospector: (db) => inner.createIntrospector(db),
    createQueryCompiler: () => inner.createQueryCompiler(),
  };
}

class GuardedDriver implements Driver {
  readonly #inner: Driver;
  readonly #semaphore: Semaphore;

  constructor(inner: Driver, options: GuardOptions) {
    this.#inner = inner;
    this.#semaphore = new Semaphore({ permits: options.maxConnections, maxWaiting: options.maxWaiting });
  }

  async init(): Promise<void> {
    await this.#inner.init();
  }

  async acquireConnection(): Promise<GuardedConnection> {
    await translated(() => this.#enter());
    try {
      const connection = await translated(() => this.#inner.acquireConnection());
      // By what it learns here a statement can be stopped later; mysql2 knows it without asking the server.
      await connection.collectSessionInfo?.();
      return new GuardedConnection(connection);
    } catch (error) {
      this.#semaphore.release();
      throw error;
    }
  }

  async releaseConnection(connection: GuardedConnection): Promise<void> {
    try {
      await this.#inner.releaseConnection(connection.inner);
    } finally {
      this.#semaphore.release();
    }
  }

  async beginTransaction(connection: GuardedConnection, settings: TransactionSettings): Promise<void> {
    await translated(() => this.#inner.beginTransaction(connection.inner, settings));
  }

  async commitTransaction(connection: GuardedConnection): Promise<void> {
    await translated(() => this.#inner.commitTransaction(connection.inner));
  }

  async rollbackTransaction(connection: GuardedConnection): Promise<void> {
    try {
      await translated(() => this.#inner.rollbackTransaction(connection.inner));
    } catch (error) {
      // A lost connection is rolled back by the server. What the transaction failed with must not be hidden by this.
      if (!isAppError(error, "DATABASE_UNAVAILABLE")) throw error;
    }
  }

  async destroy(): Promise<void> {
    await this.#inner.destroy();
  }

  async #enter(): Promise<void> {
    const signal = currentContext()?.signal;
    try {
      await this.#semaphore.acquire(signal);
    } catch (error) {
      throw signal?.aborted ? callEnded(error) : error;
    }
  }
}

/** What a statement fails with when the call that it is for has ended. */
function callEnded(cause: unknown): AppError {
  return new AppError({
    kind: "cancelled",
    reason: "CALL_ENDED",
    domain: "shoal.storage",
    message: "the call ended before the database had done its work",
    cause,
  });
}

/** Kysely asks for a pooled connection to stop a statement by only where it has no other way. */
const noOtherConnection = async (): Promise<void> => {};

class GuardedConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection;

  constructor(inner: DatabaseConnection) {
    this.inner = inner;
  }

  /** Begins nothing for a call that has ended, and has the server stop what is being done for one that ends. */
  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const signal = currentContext()?.signal;
    if (signal === undefined) return translated(() => this.inner.executeQuery<R>(query));
    if (signal.aborted) throw callEnded(signal.reason);
    let stopping: Promise<void> | undefined;
    const stop = () => {
      stopping = this.inner.cancelQuery?.(noOtherConnection).catch(() => {});
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await translated(() => this.inner.executeQuery<R>(query));
    } catch (error) {
      throw signal.aborted ? callEnded(error) : error;
    } finally {
      signal.removeEventListener("abort", stop);
      // Until the server has been told, the connection must not go on to a statement that would be stopped instead.
      await stopping;
    }
  }

  streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    return this.inner.streamQuery<R>(query, chunkSize);
  }
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translateError(error);
  }
}
