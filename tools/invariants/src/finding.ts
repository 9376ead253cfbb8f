import { type RawBuilder, sql } from "kysely";
import type { Snapshot } from "./snapshot.ts";

/** How many violations of an invariant are told in words. */
const maxExamples = 5;

/** What was found of one invariant. */
export interface Finding {
  readonly name: string;
  /** What must hold. */
  readonly says: string;
  /** How many rows were looked at. */
  readonly rows: number;
  readonly violations: number;
  /** Some of the violations, in words. */
  readonly examples: readonly string[];
}

/** Gathers what is found of one invariant. */
export class Findings {
  readonly #name: string;
  readonly #says: string;
  #rows = 0;
  #violations = 0;
  readonly #examples: string[] = [];

  constructor(name: string, says: string) {
    this.#name = name;
    this.#says = says;
  }

  /** So many more rows were looked at. */
  looked(rows: number): void {
    this.#rows += rows;
  }

  /** Something does not hold; `count` times, of which this is one. */
  violated(example: string, count = 1): void {
    this.#violations += count;
    if (this.#examples.length < maxExamples) this.#examples.push(example);
  }

  /** All rows of a table were looked at. */
  async lookedAtAll(snapshot: Snapshot, ...tables: readonly string[]): Promise<void> {
    for (const table of tables) {
      const [row] = await snapshot.rows(sql<{ n: bigint }>`select count(*) as n from ${sql.table(table)}`);
      this.looked(Number(row?.n ?? 0));
    }
  }

  /** Every row that `from` selects from is a violation, which `example` tells. */
  async violatedBy(snapshot: Snapshot, example: RawBuilder<string>, from: RawBuilder<unknown>): Promise<void> {
    const statement = sql<{ example: string; n: bigint }>`
      select ${example} as example, count(*) over () as n ${from} limit ${sql.lit(maxExamples)}`;
    const found = await snapshot.rows(statement);
    for (const [index, row] of found.entries()) this.violated(row.example, index > 0 ? 0 : Number(row.n));
  }

  /** What was found so far. */
  get finding(): Finding {
    return {
      name: this.#name,
      says: this.#says,
      rows: this.#rows,
      violations: this.#violations,
      examples: this.#examples,
    };
  }
}
