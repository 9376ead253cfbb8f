import type { Finding } from "./finding.ts";
import type { SharedCells } from "./id-table.ts";

/** How a database is read. */
export interface SideOptions {
  readonly settled: boolean;
  readonly overdueMs: number;
  /** When both databases were as they are read. */
  readonly nowMs: number;
}

/** What one database says of the ids of a part. */
export interface Side {
  /** What the other database is compared with: an `IdTable`, with the numbers at {@link stateAt} and {@link linesAt}. */
  readonly cells: SharedCells;
  readonly width: number;
  /** What does not hold within this database. */
  readonly findings: readonly Finding[];
}

/** Where the number stands that says the state of an order or reservation. */
export const stateAt = 2;

/** Where the sum of the digests of its lines stands. */
export const linesAt = 3;
