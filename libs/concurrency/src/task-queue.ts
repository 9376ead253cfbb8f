import { type Linked, LinkedList, requireInteger, systemTimers, type Timers } from "@shoal/kernel";
import { Quiet } from "./quiet.ts";
import { ClosedError } from "./refusals.ts";
import { patienceOf, type WaitOptions } from "./wait-options.ts";
import { WaiterQueue } from "./waiter-queue.ts";

/** How much a {@link TaskQueue} holds. */
export interface TaskQueueOptions {
  /** How many tasks may be queued, from 1. */
  readonly capacity: number;
  /** How many may wait to submit, and how many to take, from 0. Default: 1,000 each. */
  readonly maxWaiting?: number;
  /** How time passes. Default: the machine's. */
  readonly timers?: Timers;
}

/** See each option. */
export const defaultTaskQueueOptions = Object.freeze({ maxWaiting: 1_000, timers: systemTimers });

interface Queued<T> extends Linked<Queued<T>> {
  readonly task: T;
}

/**
 * Hands tasks from those who submit them to those who take them, each to one taker, in the order in which they were
 * submitted. No more than `capacity` are queued: then submitters wait. Submitters and takers are served in their order too.
 *
 * States: open → closing (nothing is submitted any more, what is queued is still taken) → ended (empty); `abort` goes to
 * ended at once. Who made it ends it.
 */
export class TaskQueue<T> implements AsyncIterable<T> {
  readonly #capacity: number;
  readonly #queued = new LinkedList<Queued<T>>();
  readonly #submitters: WaiterQueue<void, T>;
  readonly #takers: WaiterQueue<T>;
  readonly #emptied: Quiet;
  /** Why nothing is submitted any more, and whether loops are told. */
  #closed: { readonly error: unknown; readonly quietly: boolean } | undefined;

  /** Throws a `RangeError` for options out of range. */
  constructor(options: TaskQueueOptions) {
    const { capacity, maxWaiting, timers } = { ...defaultTaskQueueOptions, ...options };
    requireInteger("capacity", capacity, 1);
    requireInteger("maxWaiting", maxWaiting, 0);
    this.#capacity = capacity;
    this.#submitters = new WaiterQueue(maxWaiting, timers);
    this.#takers = new WaiterQueue(maxWaiting, timers);
    this.#emptied = new Quiet(() => this.#queued.size === 0, timers);
  }

  /** How many tasks are queued. */
  get size(): number {
    return this.#queued.size;
  }

  /** How many wait to submit. */
  get submitting(): number {
    return this.#submitters.size;
  }

  /** How many wait to take. */
  get taking(): number {
    return this.#takers.size;
  }

  /** Queues `task`, or hands it to a taker, if there is room; answers whether it did. Never after `close` or `abort`. */
  trySubmit(task: T): boolean {
    if (this.#closed !== undefined || this.#queued.size >= this.#capacity) return false;
    if (this.#takers.serve(task) === undefined) this.#push(task);
    return true;
  }

  /**
   * Queues `task` as soon as there is room. Rejects, and has queued nothing, with a {@link QueueFullError} when too many
   * wait for room already, a {@link WaitTimeoutError} when its time is over, the signal's reason when that aborts first, a
   * {@link ClosedError} after `close`, and the reason of `abort`.
   */
  async submit(task: T, options: WaitOptions = {}): Promise<void> {
    const patience = patienceOf(options);
    if (this.#closed !== undefined) throw this.#closed.error;
    if (!this.trySubmit(task)) await this.#submitters.wait(patience, task);
  }

  /**
   * The task that has been queued longest, as soon as there is one. Rejects, and has taken nothing, with a
   * {@link QueueFullError} when too many wait for a task already, a {@link WaitTimeoutError} when its time is over, the
   * signal's reason when that aborts first, a {@link ClosedError} once the queue is closed and empty, and the reason of
   * `abort`.
   */
  async take(options: WaitOptions = {}): Promise<T> {
    const patience = patienceOf(options);
    const first = this.#queued.shift();
    if (first === undefined) {
      if (this.#closed !== undefined) throw this.#closed.error;
      return await this.#takers.wait(patience, undefined);
    }
    const submitter = this.#submitters.serve();
    if (submitter !== undefined) this.#push(submitter.brought);
    this.#emptied.check();
    return first.task;
  }

  /** Takes until the queue has ended, quietly where `close` has ended it. Any number of loops share the tasks. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    while (true) {
      let task: T;
      try {
        task = await this.take();
      } catch (error) {
        if (this.#closed?.quietly && error === this.#closed.error) return;
        throw error;
      }
      yield task;
    }
  }

  /**
   * Takes no more in: who waits to submit is refused, who waits to take learns that nothing comes. Resolves when all that
   * is queued has been taken. May be called again.
   */
  async close(): Promise<void> {
    this.#closed ??= { error: new ClosedError("the queue is closed"), quietly: true };
    this.#refuse(this.#closed.error);
    await this.#emptied.wait(Number.POSITIVE_INFINITY);
  }

  /** Ends at once: all who wait, and who come, are refused with `reason`. Answers the tasks that were queued. */
  abort(reason: unknown): T[] {
    this.#closed = { error: reason, quietly: false };
    this.#refuse(reason);
    const dropped: T[] = [];
    for (let first = this.#queued.shift(); first !== undefined; first = this.#queued.shift()) dropped.push(first.task);
    this.#emptied.check();
    return dropped;
  }

  #refuse(error: unknown): void {
    this.#submitters.refuseAll(error);
    this.#takers.refuseAll(error);
  }

  #push(task: T): void {
    this.#queued.push({ task, previous: undefined, next: undefined });
  }
}
