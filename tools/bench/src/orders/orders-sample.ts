import type { OrderSubject } from "./order-subjects.ts";

/** On how many SKUs orders are placed, and by how many callers at once. */
export interface OrdersCell {
  readonly skus: "hot" | "spread";
  readonly callers: (typeof concurrencies)[number];
}

/** Callers at once. */
export const concurrencies = Object.freeze([1, 64, 512] as const);

/** All that is measured of each subject. */
export const cells: readonly OrdersCell[] = (["hot", "spread"] as const).flatMap((skus) =>
  concurrencies.map((callers) => ({ skus, callers })),
);

/** What was measured of one subject in one cell of one round; NaN where something could not be. */
export interface OrdersSample {
  /** Orders answered a second. */
  readonly throughput: number;
  readonly p50: number;
  readonly p99: number;
  /** Attempts that were refused and made again, by second. */
  readonly refused: number;
  /** Orders that were given up, all of them. */
  readonly failed: number;
  /** CPU time by order, in microseconds. */
  readonly clientCpu: number;
  readonly orderCpu: number;
  readonly inventoryCpu: number;
  readonly userCpu: number;
  readonly databaseCpu: number;
  /** What the database server did for an order. */
  readonly statements: number;
  readonly commits: number;
  /** The part of the machine, 0 to 1, that others took meanwhile. */
  readonly others: number;
  readonly failure: string | undefined;
}

/** What was measured of a subject in a cell, by round. */
export interface OrdersResult {
  readonly subject: OrderSubject["name"];
  readonly cell: OrdersCell;
  readonly samples: readonly OrdersSample[];
}
