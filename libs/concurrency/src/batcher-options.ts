import { type Clock, requireInteger, systemClock, systemTimers, type Timers } from "@shoal/kernel";

/** What became of one item of a batch. */
export type ItemResult<R> = { readonly value: R } | { readonly error: unknown };

/** One batch that is over. */
export interface BatchDone {
  /** How many items it had, and what they weighed together. */
  readonly items: number;
  readonly weight: number;
  /** How long its first item had waited when it was sent, in milliseconds. */
  readonly waitedMs: number;
  /** How long it took, in milliseconds. */
  readonly tookMs: number;
  /** Whether it failed as a whole. */
  readonly failed: boolean;
}

/** Sees each batch together with its callers: for traces, which lead from them to it. */
export interface BatchObserver {
  /** What is kept of a caller until its item is sent; called when it submits it, in its context. */
  capture(): unknown;
  /**
   * Runs `work`, which does a batch, in the batch's context; `callers`: what was kept of each, in the order of the items;
   * `waitedMs`: how long the first of them has waited.
   */
  run<T>(callers: readonly unknown[], waitedMs: number, work: () => Promise<T>): Promise<T>;
}

/** How a {@link Batcher} cuts and sends its batches. */
export interface BatcherSettings {
  /** Items of a batch, from 1. Default: 100. */
  readonly maxItems: number;
  /** Weight of a batch, above 0; an item that is heavier goes alone. Default: `Infinity`. */
  readonly maxWeight: number;
  /** Batches that are at work at once, from 1. Default: 1. */
  readonly maxInFlight: number;
  /** Items that may wait to be sent, from 1. Default: 10,000. */
  readonly maxQueued: number;
}

/** What a {@link Batcher} is made of. */
export interface BatcherOptions<I, R> extends Partial<BatcherSettings> {
  /**
   * Does one batch, and answers one result for each item, in their order. What it rejects with, every item of the batch
   * gets. `signal` aborts when every caller has left or the batcher is shut down. See {@link Batcher} for its context.
   */
  readonly run: (items: readonly I[], signal: AbortSignal) => Promise<readonly ItemResult<R>[]>;
  /** What an item weighs, a number from 0; asked once, when it comes. Default: 1. */
  readonly weigh?: (item: I) => number;
  /** Told of each batch that is over, at once. What it throws is ignored. */
  readonly onBatch?: (batch: BatchDone) => void;
  /** Sees batches with their callers. Default: nobody. */
  readonly observer?: BatchObserver | undefined;
  /** What callers' deadlines are measured by. Default: the machine's clock. */
  readonly clock?: Clock;
  /** Everything else about time. Default: the machine's timers. */
  readonly timers?: Timers;
}

/** See each setting. */
export const defaultBatcherOptions = Object.freeze({
  maxItems: 100,
  maxWeight: Number.POSITIVE_INFINITY,
  maxInFlight: 1,
  maxQueued: 10_000,
  weigh: () => 1,
  clock: systemClock,
  timers: systemTimers,
} satisfies Partial<BatcherOptions<never, never>>);

/** Options with every default filled in. */
export type CompleteBatcherOptions<I, R> = BatcherOptions<I, R> &
  BatcherSettings &
  Required<Pick<BatcherOptions<I, R>, "weigh" | "clock" | "timers">>;

/** Fills in the defaults. Throws a `RangeError` that names the option that is out of its range, and the range. */
export function completeBatcherOptions<I, R>(given: BatcherOptions<I, R>): CompleteBatcherOptions<I, R> {
  const options: CompleteBatcherOptions<I, R> = { ...defaultBatcherOptions, ...given };
  requireInteger("maxItems", options.maxItems, 1);
  if (!(options.maxWeight > 0)) throw new RangeError(`maxWeight must be a number above 0, not ${options.maxWeight}`);
  requireInteger("maxInFlight", options.maxInFlight, 1);
  requireInteger("maxQueued", options.maxQueued, 1);
  return options;
}
