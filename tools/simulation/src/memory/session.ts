import { AppError } from "@shoal/kernel";
import type { MemoryDatabase, MemoryTransaction } from "./database.ts";
import { DeadlockError, LockWaitError } from "./row-locks.ts";

/** How often a transaction is run that meets a deadlock. */
const maxAttempts = 5;

/**
 * What befalls a statement: a deadlock, found before it does anything; a connection that is lost before it does anything, or
 * after it has done all, so that whoever has sent it cannot know which.
 */
export type StatementFault = "deadlock" | "lost before" | "lost after";

/** Where a statement stands: in a transaction of its own, within one, or at its end. */
export type StatementPlace = "alone" | "within" | "commit";

/** What lies between a process and its database. */
export interface Line {
  /**
   * Resolves when the statement has reached the database, wherever its sender is by then; answers what befalls it there.
   * Rejects, and sends nothing, where nobody waits for it.
   */
  send(statement: string, place: StatementPlace): Promise<StatementFault | undefined>;
  /** Resolves when the answer has come back; never where nobody is there any more. Rejects where nobody waits for it. */
  back(statement: string, place: StatementPlace): Promise<void>;
  /** Told of a transaction that begins, so that it can be rolled back when the process dies, and that one is over. */
  began(transaction: MemoryTransaction): void;
  ended(transaction: MemoryTransaction): void;
}

/** A process's connections to a database: each statement and each answer takes its time, and either may be lost. */
export class Session {
  readonly #database: MemoryDatabase;
  readonly #line: Line;

  constructor(database: MemoryDatabase, line: Line) {
    this.#database = database;
    this.#line = line;
  }

  /** Runs one statement in a transaction of its own. */
  async statement<T>(what: string, work: (tx: MemoryTransaction) => T | Promise<T>): Promise<T> {
    const tx = this.#database.begin();
    return await this.#send(tx, what, "alone", async () => {
      try {
        const result = await work(tx);
        tx.commit();
        return result;
      } catch (error) {
        tx.rollBack();
        throw error instanceof LockWaitError ? contended(error) : error;
      }
    });
  }

  /**
   * Runs `work` in one transaction, anew after a deadlock, as the real one does, and not after a lock that took too long; whatever else it fails with, nothing of it is
   * left. What the commit fails with says nothing of whether it is committed.
   */
  async transaction<T>(work: (tx: SessionTransaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const tx = this.#database.begin();
      this.#line.began(tx);
      try {
        const result = await work({
          statement: (what, run) => this.#send(tx, what, "within", async () => run(tx)),
        });
        await this.#send(tx, "commit", "commit", async () => tx.commit());
        this.#line.ended(tx);
        return result;
      } catch (error) {
        tx.rollBack();
        this.#line.ended(tx);
        if (error instanceof LockWaitError) throw contended(error);
        if (!(error instanceof DeadlockError)) throw error;
        if (attempt === maxAttempts) throw contended(error);
      }
    }
  }

  async #send<T>(tx: MemoryTransaction, what: string, place: StatementPlace, run: () => Promise<T>): Promise<T> {
    const fault = await this.#line.send(what, place);
    // Rolled back while the statement was on its way: its sender is no more.
    if (tx.isEnded) return await new Promise<never>(() => {});
    const outcome = await this.#outcome(tx, fault, run);
    await this.#line.back(what, place);
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  async #outcome<T>(
    tx: MemoryTransaction,
    fault: StatementFault | undefined,
    run: () => Promise<T>,
  ): Promise<{ readonly value: T } | { readonly error: unknown }> {
    if (fault === "deadlock" || fault === "lost before") {
      tx.rollBack();
      return { error: fault === "deadlock" ? new DeadlockError("a deadlock") : connectionLost() };
    }
    try {
      const value = await run();
      if (fault === undefined) return { value };
    } catch (error) {
      // What a statement has locked and written before it failed goes with its transaction, which always ends then.
      if (error instanceof DeadlockError || error instanceof LockWaitError) tx.rollBack();
      if (fault === undefined) return { error };
    }
    tx.rollBack();
    return { error: connectionLost() };
  }
}

/** A transaction of a {@link Session}. */
export interface SessionTransaction {
  /** Runs one statement in it. */
  statement<T>(what: string, work: (tx: MemoryTransaction) => T | Promise<T>): Promise<T>;
}

/** As the storage library tells callers of a connection that was lost. */
function connectionLost(): AppError {
  return new AppError({
    kind: "unavailable",
    reason: "DATABASE_UNAVAILABLE",
    domain: "shoal.storage",
    message: "the database cannot be reached; try again later",
  });
}

function contended(cause: unknown): AppError {
  return new AppError({
    kind: "unavailable",
    reason: "DATABASE_CONTENDED",
    domain: "shoal.storage",
    message: "others change the same things at this moment; try again later",
    cause,
  });
}
