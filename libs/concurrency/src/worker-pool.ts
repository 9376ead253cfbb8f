import { AsyncLocalStorage } from "node:async_hooks";
import { type Linked, LinkedList, requireInteger, systemTimers, type Timers } from "@shoal/kernel";
import { runWithSignal } from "./ambient.ts";
import { Quiet } from "./quiet.ts";
import { ClosedError, DiscardedError, QueueFullError } from "./refusals.ts";
import { patienceOf, requireDuration, type WaitOptions } from "./wait-options.ts";
import { Waiter } from "./waiter.ts";

/**
 * What is refused when the queue is full, named as in java.util.concurrent's ThreadPoolExecutor. Two of its policies have
 * no place here. To discard the new work silently leaves a promise that nobody keeps; and work that its caller runs runs
 * besides the workers, as a promise does not hold up whoever asked for it, so nothing would be bounded any more.
 *
 *  - `abort`: the new work, with a {@link QueueFullError}
 *  - `discard-oldest`: the work that has been queued longest, with a {@link DiscardedError}; for work that ages
 */
export type RejectionPolicy = "abort" | "discard-oldest";

const rejectionPolicies: readonly RejectionPolicy[] = ["abort", "discard-oldest"];

/** How much a {@link WorkerPool} does, and what it refuses. */
export interface WorkerPoolOptions {
  /** How much work is done at once, from 1. */
  readonly workers: number;
  /** How much work may wait, from 0. Default: 1,000. */
  readonly maxQueued?: number;
  /** What is refused when that much waits. Default: `abort`. */
  readonly whenFull?: RejectionPolicy;
  /** How time passes. Default: the machine's. */
  readonly timers?: Timers;
}

/** See each option. */
export const defaultWorkerPoolOptions = Object.freeze({
  maxQueued: 1_000,
  whenFull: "abort",
  timers: systemTimers,
} satisfies Partial<WorkerPoolOptions>);

interface Job extends Linked<Job> {
  readonly controller: AbortController;
  readonly reject: (error: unknown) => void;
  /** Does the work and answers it. Never rejects. */
  readonly work: () => Promise<void>;
  state: "queued" | "running";
}

/**
 * Does work with a fixed number of workers, in the order in which it came. What finds no worker free waits in a bounded
 * queue. A caller that leaves, by its signal or timeout, is told at once: its work leaves the queue, or is aborted; a
 * worker is free again when the work has really ended, so never more than `workers` are at work.
 *
 * States: open → closing (refuses, and does what is left) → closed. Who made it ends it. States of work: queued → running
 * → done; from queued also refused, discarded or left.
 */
export class WorkerPool {
  readonly #workers: number;
  readonly #maxQueued: number;
  readonly #whenFull: RejectionPolicy;
  readonly #timers: Timers;
  readonly #queue = new LinkedList<Job>();
  readonly #running = new Set<Job>();
  readonly #quiet: Quiet;
  #closed = false;

  /** Throws a `RangeError` for options out of range. */
  constructor(options: WorkerPoolOptions) {
    const { workers, maxQueued, whenFull, timers } = { ...defaultWorkerPoolOptions, ...options };
    requireInteger("workers", workers, 1);
    requireInteger("maxQueued", maxQueued, 0);
    if (!rejectionPolicies.includes(whenFull))
      throw new RangeError(`whenFull must be one of ${rejectionPolicies.join(", ")}, not ${whenFull}`);
    this.#workers = workers;
    this.#maxQueued = maxQueued;
    this.#whenFull = whenFull;
    this.#timers = timers;
    this.#quiet = new Quiet(() => this.#running.size === 0 && this.#queue.size === 0, timers);
  }

  /** How much is being done. */
  get running(): number {
    return this.#running.size;
  }

  /** How much waits for a worker. */
  get queued(): number {
    return this.#queue.size;
  }

  /**
   * Has `work` done, and answers what it answers. `work` runs in its caller's context, with a signal that aborts when the
   * caller leaves or the pool is shut down. Rejects with the error of `work`, with a {@link QueueFullError} or
   * {@link DiscardedError} (see {@link RejectionPolicy}), with a {@link WaitTimeoutError} when `timeoutMs` is over (queue
   * and work together), with the signal's reason when that aborts, and with a {@link ClosedError} after `close` or `shutdown`.
   */
  async run<R>(work: (signal: AbortSignal) => R | Promise<R>, options: WaitOptions = {}): Promise<R> {
    const patience = patienceOf(options);
    if (this.#closed) throw closed();
    const isFree = this.#running.size < this.#workers;
    if (!isFree && this.#queue.size >= this.#maxQueued) this.#makeRoom();
    const controller = new AbortController();
    const waiter = new Waiter<R>(patience, this.#timers, (reason) => {
      controller.abort(reason);
      if (job.state === "queued") this.#queue.delete(job);
    });
    const job: Job = {
      controller,
      reject: (error) => waiter.reject(error),
      // Started by whoever ends, which may be another caller's work.
      work: AsyncLocalStorage.bind(async () => {
        try {
          waiter.resolve(await runWithSignal(controller.signal, work));
        } catch (error) {
          waiter.reject(error);
        }
      }),
      state: "queued",
      previous: undefined,
      next: undefined,
    };
    if (isFree) void this.#start(job);
    else this.#queue.push(job);
    return await waiter.answer;
  }

  /** Refuses what comes, and resolves when all that is queued or running has been done. May be called again. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#quiet.wait(Number.POSITIVE_INFINITY);
  }

  /**
   * Refuses what comes and what is queued, aborts what is running, and waits for that to end, for `graceMs` at most (a
   * number from 0, or `Infinity`). Answers how much did not end; its callers get a {@link ClosedError}.
   */
  async shutdown(graceMs: number): Promise<number> {
    requireDuration("graceMs", graceMs);
    this.#closed = true;
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) job.reject(closed());
    for (const { controller } of this.#running) controller.abort(closed());
    await this.#quiet.wait(graceMs);
    for (const job of this.#running) job.reject(closed());
    return this.#running.size;
  }

  #makeRoom(): void {
    const oldest = this.#whenFull === "discard-oldest" ? this.#queue.shift() : undefined;
    if (oldest === undefined) throw new QueueFullError(`${this.#queue.size} are queued already`);
    oldest.reject(new DiscardedError("later work has taken the place"));
  }

  async #start(job: Job): Promise<void> {
    job.state = "running";
    this.#running.add(job);
    await job.work();
    this.#running.delete(job);
    const next = this.#queue.shift();
    if (next !== undefined) void this.#start(next);
    this.#quiet.check();
  }
}

function closed(): ClosedError {
  return new ClosedError("the worker pool is closed");
}
