import { higherPriority, runForMany } from "./ambient.ts";
import type { BatcherItem } from "./batcher-item.ts";
import type { BatcherOptions, BatchObserver, ItemResult } from "./batcher-options.ts";

/** The batch function has not answered one result for each item; nobody knows which result is whose. */
export class BatchMismatchError extends Error {
  override readonly name = "BatchMismatchError";
}

/**
 * Items that are done together. It is aborted when all callers have left.
 *
 * States: at work → done | failed.
 */
export class Batch<I, R> {
  readonly #items: readonly BatcherItem<I, R>[];
  readonly #controller = new AbortController();
  #present: number;

  /** `items`: one or more, none of which is in another batch. */
  constructor(items: readonly BatcherItem<I, R>[]) {
    this.#items = items;
    this.#present = items.length;
    for (const item of items) item.left = (reason) => this.#left(reason);
  }

  /** How many callers wait for it. */
  get present(): number {
    return this.#present;
  }

  /** Asks whoever does it to stop. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Refuses all who still wait. */
  refuse(error: unknown): void {
    this.#present = 0;
    for (const { waiter } of this.#items) waiter.reject(error);
  }

  /** Does it, at `sentAt` by the items' timers, and answers each item. Never rejects; answers whether it succeeded as a whole. */
  async send(run: BatcherOptions<I, R>["run"], observer: BatchObserver | undefined, sentAt: number): Promise<boolean> {
    const { signal } = this.#controller;
    const deadline = this.#items.reduce((latest, item) => Math.max(latest, item.deadline), Number.NEGATIVE_INFINITY);
    const priority = this.#items.reduce((most, item) => higherPriority(most, item.priority), this.#first.priority);
    const values = this.#items.map(({ value }) => value);
    try {
      // Async, so that what throws at once fails the batch as well.
      const work = async () => run(values, signal);
      const results = await runForMany({ signal, deadline, priority }, () =>
        observer === undefined
          ? work()
          : observer.run(
              this.#items.map(({ captured }) => captured),
              sentAt - this.#first.since,
              work,
            ),
      );
      if (results.length !== values.length)
        throw new BatchMismatchError(`a batch of ${values.length} items was answered with ${results.length} results`);
      for (const [index, { waiter }] of this.#items.entries()) answer(waiter, results[index] as ItemResult<R>);
      this.#present = 0;
      return true;
    } catch (error) {
      this.refuse(error);
      return false;
    }
  }

  get #first(): BatcherItem<I, R> {
    return this.#items[0] as BatcherItem<I, R>;
  }

  #left(reason: unknown): void {
    this.#present -= 1;
    if (this.#present === 0) this.#controller.abort(reason);
  }
}

function answer<R>(waiter: BatcherItem<unknown, R>["waiter"], result: ItemResult<R>): void {
  if ("error" in result) waiter.reject(result.error);
  else waiter.resolve(result.value);
}
