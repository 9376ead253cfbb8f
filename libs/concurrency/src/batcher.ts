import { LinkedList } from "@shoal/kernel";
import { Batch } from "./batch.ts";
import { BatcherItem } from "./batcher-item.ts";
import { type BatcherOptions, type CompleteBatcherOptions, completeBatcherOptions } from "./batcher-options.ts";
import { Quiet } from "./quiet.ts";
import { ClosedError, QueueFullError, WaitTimeoutError } from "./refusals.ts";
import { patienceOf, requireDuration, type WaitOptions } from "./wait-options.ts";

/**
 * Does single calls in batches, without waiting for a batch to fill ("smart" or natural batching, Thompson 2011): an idle
 * batcher sends what comes at once, and while a batch is at work the next one fills. Items go in the order in which they
 * came, cut by `maxItems` and `maxWeight`; each caller gets the result or error of its own item.
 *
 * "At once" is when all promises that could go on have done so: calls that are made together, and those that answers of the
 * batch before lead to, go together. No timer and no turn of the event loop lies between.
 *
 * A caller that leaves, by its signal or timeout, is told at once: its item is not sent any more, or its result is dropped.
 * A batch runs in a context of its own: a new request id, the latest deadline and the highest priority of its callers, no
 * identity, baggage, trace or idempotency key, and a signal that aborts when every caller has left. A caller outside any
 * call, or one that says `signal: null`, has no deadline, and so neither has a batch with its item.
 *
 * States: idle ⇄ sending (1 to `maxInFlight` batches at work; below that nothing is queued for longer than it takes to
 * send it) → closing → closed. Who made it ends it. States of an item: queued → sent → answered; from queued also
 * refused or left, from sent also left.
 */
export class Batcher<I, R> {
  readonly #options: CompleteBatcherOptions<I, R>;
  readonly #queue = new LinkedList<BatcherItem<I, R>>();
  readonly #inFlight = new Set<Batch<I, R>>();
  readonly #quiet: Quiet;
  #pumping = false;
  #closed = false;

  /** Throws a `RangeError` that names an option which is out of its range. */
  constructor(options: BatcherOptions<I, R>) {
    this.#options = completeBatcherOptions(options);
    this.#quiet = new Quiet(() => this.#queue.size === 0 && this.#inFlight.size === 0, this.#options.timers);
  }

  /** How many items wait to be sent. */
  get queued(): number {
    return this.#queue.size;
  }

  /** How many batches are at work. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /**
   * Has `item` done with others, and answers its result. Rejects with the item's error, the error of its whole batch, a
   * {@link BatchMismatchError} where the batch function has answered too few or too many results, a {@link QueueFullError}
   * where `maxQueued` items wait already, a {@link WaitTimeoutError} when `timeoutMs` is over (queue and batch together), the
   * signal's reason when that aborts, a {@link ClosedError} after `close` or `shutdown`, and a `RangeError` where `weigh`
   * answers no weight.
   */
  async submit(item: I, options: WaitOptions = {}): Promise<R> {
    const patience = patienceOf(options);
    if (this.#closed) throw closed();
    const { maxQueued, weigh, observer, timers } = this.#options;
    if (this.#queue.size >= maxQueued) throw new QueueFullError(`${this.#queue.size} items are queued already`);
    const weight = weigh(item);
    if (!(weight >= 0)) throw new RangeError(`weigh must answer a number from 0, not ${weight}`);
    const queued = new BatcherItem<I, R>(item, weight, patience, timers, (left) => this.#queue.delete(left));
    queued.captured = observer?.capture();
    this.#queue.push(queued);
    this.#pumpSoon();
    return await queued.waiter.answer;
  }

  /** Refuses what comes, and resolves when all that is queued or at work is done. May be called again. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#quiet.wait(Number.POSITIVE_INFINITY);
  }

  /**
   * Refuses what comes and what is queued, aborts the batches at work, and waits for them to end, for `graceMs` at most (a
   * number from 0, or `Infinity`). Answers how many callers were still waiting; they get a {@link ClosedError}.
   */
  async shutdown(graceMs: number): Promise<number> {
    requireDuration("graceMs", graceMs);
    this.#closed = true;
    for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) item.waiter.reject(closed());
    for (const batch of this.#inFlight) batch.abort(closed());
    await this.#quiet.wait(graceMs);
    let unfinished = 0;
    for (const batch of this.#inFlight) {
      unfinished += batch.present;
      batch.refuse(closed());
    }
    return unfinished;
  }

  #pumpSoon(): void {
    if (this.#pumping || this.#inFlight.size >= this.#options.maxInFlight) return;
    this.#pumping = true;
    // A tick that is asked for by a microtask comes when no microtask is left.
    queueMicrotask(() => process.nextTick(() => this.#pump()));
  }

  #pump(): void {
    this.#pumping = false;
    while (this.#inFlight.size < this.#options.maxInFlight && this.#queue.size > 0) {
      const items = this.#cut();
      if (items.length > 0) void this.#send(items);
    }
    this.#quiet.check();
  }

  /** The next batch; empty where nothing is left that has time left. */
  #cut(): BatcherItem<I, R>[] {
    const { maxItems, maxWeight, clock, timers } = this.#options;
    const now = timers.now();
    const wallNow = clock.now();
    const items: BatcherItem<I, R>[] = [];
    let weight = 0;
    for (let item = this.#queue.first; item !== undefined && items.length < maxItems; item = this.#queue.first) {
      // Where the process was busy, its timers are late. What is not sent does not count as weight either.
      if (item.expiresAt <= now || item.deadline <= wallNow) {
        this.#queue.delete(item);
        item.waiter.reject(new WaitTimeoutError(now - item.since));
        continue;
      }
      if (items.length > 0 && weight + item.weight > maxWeight) break;
      this.#queue.delete(item);
      weight += item.weight;
      items.push(item);
    }
    return items;
  }

  async #send(items: readonly BatcherItem<I, R>[]): Promise<void> {
    const { run, observer, timers } = this.#options;
    const batch = new Batch(items);
    this.#inFlight.add(batch);
    const sentAt = timers.now();
    const succeeded = await batch.send(run, observer, sentAt);
    this.#inFlight.delete(batch);
    this.#tell(items, sentAt, !succeeded);
    if (this.#queue.size > 0) this.#pumpSoon();
    this.#quiet.check();
  }

  #tell(items: readonly BatcherItem<I, R>[], sentAt: number, failed: boolean): void {
    const { onBatch, timers } = this.#options;
    if (onBatch === undefined) return;
    try {
      onBatch({
        items: items.length,
        weight: items.reduce((sum, item) => sum + item.weight, 0),
        waitedMs: sentAt - (items[0]?.since ?? sentAt),
        tookMs: timers.now() - sentAt,
        failed,
      });
    } catch {
      // It must not disturb the batches.
    }
  }
}

function closed(): ClosedError {
  return new ClosedError("the batcher is closed");
}
