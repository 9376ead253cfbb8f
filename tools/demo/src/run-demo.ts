import { OrderStatus } from "@shoal/contracts/order/v1/order_service";
import type { Product } from "./catalogue.ts";
import { planOrders } from "./order-plan.ts";
import { type Placing, placeOrders } from "./placing.ts";
import { type ProgressOutput, showProgress } from "./progress.ts";
import { readBack } from "./reading-back.ts";
import { holdTooShort, type Settling, settleOrders } from "./settling.ts";
import { loadCatalogue, readLevels } from "./stock.ts";
import { checkStock, comparePieces, type Level, type Pieces, type StockCheck } from "./stock-check.ts";
import type { System } from "./system.ts";
import { createUsers } from "./users.ts";

/** What one run of the demo does. */
export interface DemoOptions {
  readonly system: System;
  readonly products: readonly Product[];
  /** How many orders are sent, from 1. */
  readonly orders: number;
  /** How many users are created to send them, from 1. */
  readonly users: number;
  readonly seed: number;
  /** Unlike that of every other run: names its load, users and orders. At most 50 of A-Z a-z 0-9 -. */
  readonly runId: string;
  /** Where the progress bars go. */
  readonly output: ProgressOutput;
  /** Ends the run; what has been done stays done. */
  readonly signal: AbortSignal;
}

/** How long one step took, and what it did. */
export interface Step {
  readonly what: string;
  readonly count: number;
  readonly durationMs: number;
}

/** What a run did and found. */
export interface DemoResult {
  readonly steps: readonly Step[];
  readonly placing: Placing;
  readonly settling: Settling;
  readonly before: ReadonlyMap<string, Level>;
  readonly loaded: Pieces;
  readonly stock: StockCheck;
  /** Everything that does not add up; none when all does. */
  readonly problems: readonly string[];
}

/**
 * Loads the catalogue, creates users, places orders, confirms most and cancels some, reads all of them back and checks
 * that stock adds up. Throws when a step cannot be done. The check holds as long as nobody else loads, adjusts or
 * orders these products at the same time; holds of earlier runs may expire meanwhile.
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const { system, products, runId, signal, output } = options;
  const steps: Step[] = [];
  const step = async <T>(what: string, work: () => Promise<T>, countOf: (result: T) => number): Promise<T> => {
    const startedAt = performance.now();
    const result = await work();
    steps.push({ what, count: countOf(result), durationMs: performance.now() - startedAt });
    return result;
  };
  const withProgress = async <T>(label: string, total: number, work: (advance: () => void) => Promise<T>) => {
    const progress = showProgress(label, total, output, () => performance.now());
    try {
      return await work(progress.advance);
    } finally {
      progress.end();
    }
  };

  const before = await readLevels(system.inventory, products, signal);
  const loaded = await step(
    "products loaded",
    () => loadCatalogue(system.inventory, products, runId, signal),
    () => products.length,
  );
  const userIds = await step(
    "users created",
    () => createUsers(system.users, options.users, runId, signal),
    (ids) => ids.length,
  );

  const plan = planOrders({ count: options.orders, users: options.users, products, seed: options.seed });
  const placing = await step(
    "orders sent",
    () =>
      withProgress("placing ", options.orders, (onAnswer) =>
        placeOrders(system.orders, { plan, userIds, runId, signal, onAnswer }),
      ),
    () => options.orders,
  );
  const { toSettle } = placing;
  const settling = await step(
    "orders settled",
    () =>
      withProgress("settling", toSettle.length, (onSettled) =>
        settleOrders(system.orders, { toSettle, runId, signal, onSettled }),
      ),
    () => toSettle.length,
  );

  const after = await readLevels(system.inventory, products, signal);
  const ordersOf = await step(
    "orders read back",
    () => readBack(system.orders, userIds, signal),
    () => toSettle.length + placing.left.count,
  );
  if (placing.firstExpiryMs <= Date.now()) throw holdTooShort();

  const confirmed = settling.confirmed.pieces;
  const stock = checkStock({ before, after, loaded, confirmed, placed: placing.left.pieces });
  const expected: readonly (readonly [OrderStatus, number, Pieces?])[] = [
    [OrderStatus.CONFIRMED, settling.confirmed.count, confirmed],
    [OrderStatus.PLACED, placing.left.count, placing.left.pieces],
    [OrderStatus.CANCELLED, settling.cancelled],
    [OrderStatus.EXPIRED, 0],
  ];
  const readBackProblems = expected.flatMap(([status, count, pieces]) => {
    const found = ordersOf(status);
    const what = `${OrderStatus[status]} orders`;
    return [
      ...(found.count === count ? [] : [`${what} should be ${count} and are ${found.count}`]),
      ...(pieces === undefined ? [] : comparePieces(`what stands in ${what}`, pieces, found.pieces)),
    ];
  });
  const problems = [...placing.problems, ...readBackProblems, ...stock.problems];
  return { steps, placing, settling, before, loaded, stock, problems };
}
