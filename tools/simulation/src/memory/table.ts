/** What a transaction does to a row that is committed; `undefined` is no row. */
export interface RowChange {
  readonly table: string;
  readonly key: string;
  readonly before: unknown;
  readonly after: unknown;
}

interface Version<R> {
  readonly at: number;
  readonly row: R | undefined;
}

/** Rows by key, with all their versions, and what transactions have written and not committed. Rows are never changed. */
export class Table<R> {
  readonly name: string;
  readonly #versions = new Map<string, Version<R>[]>();
  readonly #written = new Map<object, Map<string, R | undefined>>();

  constructor(name: string) {
    this.name = name;
  }

  /** The committed rows of now, by key. */
  get rows(): ReadonlyMap<string, R> {
    const rows = new Map<string, R>();
    for (const [key, versions] of this.#versions) {
      const row = versions.at(-1)?.row;
      if (row !== undefined) rows.set(key, row);
    }
    return rows;
  }

  /** The row as `owner` sees it: as it has written it, else as it was committed at `at` or before; default: as of now. */
  see(owner: object, key: string, at = Number.POSITIVE_INFINITY): R | undefined {
    const written = this.#written.get(owner);
    if (written?.has(key) === true) return written.get(key);
    return this.#versions.get(key)?.findLast((version) => version.at <= at)?.row;
  }

  /** The keys of all rows that there are or have been, and those that `owner` has written. */
  keys(owner: object): ReadonlySet<string> {
    return new Set([...this.#versions.keys(), ...(this.#written.get(owner)?.keys() ?? [])]);
  }

  /** Writes a row, for `owner` only until it commits. */
  write(owner: object, key: string, row: R | undefined): void {
    const written = this.#written.get(owner);
    if (written === undefined) this.#written.set(owner, new Map([[key, row]]));
    else written.set(key, row);
  }

  /** Has everybody see what `owner` has written, from `at` on; answers what has changed. */
  commit(owner: object, at: number): RowChange[] {
    const changes: RowChange[] = [];
    for (const [key, row] of this.#written.get(owner) ?? []) {
      const versions = this.#versions.get(key) ?? [];
      changes.push({ table: this.name, key, before: versions.at(-1)?.row, after: row });
      versions.push({ at, row });
      this.#versions.set(key, versions);
    }
    this.#written.delete(owner);
    return changes;
  }

  /** Forgets what `owner` has written. */
  rollBack(owner: object): void {
    this.#written.delete(owner);
  }
}
