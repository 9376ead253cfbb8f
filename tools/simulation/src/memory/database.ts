import { type AfterLockWait, RowLocks } from "./row-locks.ts";
import type { RowChange, Table } from "./table.ts";

/**
 * What a plain read sees, beside what its own transaction has written: what is committed when it is made, or when the
 * transaction made its first one.
 */
export type Isolation = "read committed" | "repeatable read";

/** A row with that key exists. */
export class DuplicateKeyError extends Error {
  override readonly name = "DuplicateKeyError";
}

/**
 * Tables in memory with transactions that are no better than InnoDB's: plain reads lock nothing and see the past, locking
 * reads and writes wait for each other row by row and see the newest. There are no gap locks.
 */
export class MemoryDatabase {
  readonly isolation: Isolation;
  /** Told of what each transaction has changed, at the moment of its commit. Default: nobody. */
  onCommit: (changes: readonly RowChange[]) => void = () => {};
  readonly #locks = new RowLocks<MemoryTransaction>();
  #commits = 0;

  constructor(isolation: Isolation) {
    this.isolation = isolation;
  }

  /** How long a transaction waits for a lock. Default: for ever. */
  set afterLockWait(afterLockWait: AfterLockWait) {
    this.#locks.afterLockWait = afterLockWait;
  }

  /** A transaction, which the caller commits or rolls back. */
  begin(): MemoryTransaction {
    return new MemoryTransaction(this, this.#locks);
  }

  /** How many transactions were committed so far; with `next`, this one included. */
  commits(next = false): number {
    if (next) this.#commits += 1;
    return this.#commits;
  }
}

/** One transaction. What it locks it keeps until it ends. States: open → committed | rolled back. */
export class MemoryTransaction {
  readonly #database: MemoryDatabase;
  readonly #locks: RowLocks<MemoryTransaction>;
  readonly #tables = new Set<Table<unknown>>();
  #snapshotAt: number | undefined;
  #isEnded = false;

  constructor(database: MemoryDatabase, locks: RowLocks<MemoryTransaction>) {
    this.#database = database;
    this.#locks = locks;
  }

  /** Whether it was committed or rolled back. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** The rows that exist of `keys`, without a lock, in the order of `keys`. */
  find<R>(table: Table<R>, keys: Iterable<string>): R[] {
    const at = this.#snapshot();
    return [...new Set(keys)].flatMap((key) => table.see(this, key, at) ?? []);
  }

  /** The rows that `isWanted`, without a lock, by key. */
  scan<R>(table: Table<R>, isWanted: (row: R) => boolean): R[] {
    return this.find(table, [...table.keys(this)].sort()).filter(isWanted);
  }

  /** Those of `keys` that somebody else has locked. */
  taken<R>(table: Table<R>, keys: Iterable<string>): string[] {
    return [...keys].filter((key) => this.#locks.isTaken(this, `${table.name} ${key}`));
  }

  /** The rows that exist of `keys`, locked, by key. Throws a `DeadlockError` or a `LockWaitError`, as all do that lock. */
  async lock<R>(table: Table<R>, keys: Iterable<string>): Promise<R[]> {
    const rows: R[] = [];
    for (const key of [...new Set(keys)].sort()) {
      await this.#lock(table, key);
      const row = table.see(this, key);
      if (row !== undefined) rows.push(row);
    }
    return rows;
  }

  /** Adds a row. Throws a {@link DuplicateKeyError}, once whoever adds or deletes it at the same time is done. */
  async insert<R>(table: Table<R>, key: string, row: R): Promise<void> {
    await this.#lock(table, key);
    if (table.see(this, key) !== undefined) throw new DuplicateKeyError(`${table.name} has ${key}`);
    this.#write(table, key, row);
  }

  /** Changes a row by its newest version, unless there is none or `change` answers `undefined`; answers whether it did. */
  async update<R>(table: Table<R>, key: string, change: (row: R) => R | undefined): Promise<boolean> {
    await this.#lock(table, key);
    const row = table.see(this, key);
    const changed = row === undefined ? undefined : change(row);
    if (changed === undefined) return false;
    this.#write(table, key, changed);
    return true;
  }

  /** Deletes the rows that exist of `keys`; answers how many. */
  async delete<R>(table: Table<R>, keys: Iterable<string>): Promise<number> {
    let deleted = 0;
    for (const key of [...new Set(keys)].sort()) {
      await this.#lock(table, key);
      if (table.see(this, key) === undefined) continue;
      this.#write(table, key, undefined);
      deleted += 1;
    }
    return deleted;
  }

  /** Has everybody see it. */
  commit(): void {
    this.#isEnded = true;
    if (this.#tables.size > 0) {
      const at = this.#database.commits(true);
      const changes = [...this.#tables].flatMap((table) => table.commit(this, at));
      this.#database.onCommit(changes);
    }
    this.#locks.releaseAll(this);
  }

  /** Takes everything back. One that has ended is left alone. */
  rollBack(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const table of this.#tables) table.rollBack(this);
    this.#locks.releaseAll(this);
  }

  #lock<R>(table: Table<R>, key: string): Promise<void> {
    return this.#locks.acquire(this, `${table.name} ${key}`);
  }

  #write<R>(table: Table<R>, key: string, row: R | undefined): void {
    this.#tables.add(table as Table<unknown>);
    table.write(this, key, row);
  }

  #snapshot(): number {
    const { isolation } = this.#database;
    if (isolation === "read committed") return this.#database.commits();
    this.#snapshotAt ??= this.#database.commits();
    return this.#snapshotAt;
  }
}
