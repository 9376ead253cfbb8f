import { currentContext, requireInteger, systemTimers, type Timers } from "@shoal/kernel";
import { runWithSignal } from "./ambient.ts";
import { isAtWork, isIdle } from "./at-work.ts";
import { Quiet } from "./quiet.ts";
import { ClosedError, QueueFullError } from "./refusals.ts";
import { requireDuration } from "./wait-options.ts";

/** What ends a {@link TaskScope}, and how much it holds. */
export interface TaskScopeOptions {
  /** Aborts the scope, with its reason, when it aborts. Default: none. So does the signal of the call that is being served, unless `null`. */
  readonly signal?: AbortSignal | null;
  /** What it is called in reports of what is at work ({@link tasksAtWork}). Default: `scope`. */
  readonly name?: string;
  /** How many children may be at work, from 1. Default: 10,000. */
  readonly maxChildren?: number;
  /** How time passes. Default: the machine's. */
  readonly timers?: Timers;
}

/** See each option. */
export const defaultTaskScopeOptions = Object.freeze({ name: "scope", maxChildren: 10_000, timers: systemTimers });

/**
 * Work that belongs together, as in structured concurrency (Sústrik 2016; Smith, "Notes on structured concurrency", 2018):
 * its children share a signal, the first of them to fail aborts it for all, and none is left when the scope has been joined.
 *
 * States: open → aborted (a child failed, a parent's signal aborted, or it was shut down; children end, none is added) →
 * closed; or open → closed, by `join`. Who made it joins it, shuts it down, or leaves its `await using` block.
 */
export class TaskScope implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #parents: readonly AbortSignal[];
  readonly #maxChildren: number;
  readonly #quiet: Quiet;
  readonly #failures: unknown[] = [];
  readonly #atWork: { readonly name: string; readonly children: Set<{ readonly startedAt: number }> };
  #closed = false;
  #joined: Promise<void> | undefined;

  /** Throws a `RangeError` for options out of range. */
  constructor(options: TaskScopeOptions = {}) {
    const { name, maxChildren, timers } = { ...defaultTaskScopeOptions, ...options };
    requireInteger("maxChildren", maxChildren, 1);
    this.#atWork = { name, children: new Set() };
    this.#maxChildren = maxChildren;
    this.#quiet = new Quiet(() => this.running === 0 || this.#closed, timers);
    const { signal } = options;
    const parents = signal === null ? [] : [signal, currentContext()?.signal];
    this.#parents = [...new Set(parents.filter((parent) => parent !== undefined))];
    for (const parent of this.#parents) {
      if (parent.aborted) this.#abort(parent.reason);
      else parent.addEventListener("abort", this.#parentAborted);
    }
  }

  /** Aborts when the scope does. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** How many children are at work. */
  get running(): number {
    return this.#atWork.children.size;
  }

  /** What children failed with by themselves, the first one first: not because the scope was aborted. */
  get failures(): readonly unknown[] {
    return this.#failures;
  }

  /**
   * Starts `work` at once, in the context of whoever spawns it but with the scope's signal. Answers what it answers; nobody
   * needs to look at that, `join` tells of a failure. Rejects without having started it: with the reason of the scope's
   * signal once that has aborted, with a {@link ClosedError} once the scope is closed, and with a {@link QueueFullError}
   * where `maxChildren` are at work.
   */
  spawn<T>(work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    if (!this.signal.aborted && this.#closed) return Promise.reject(new ClosedError("the scope has ended"));
    if (!this.signal.aborted && this.running >= this.#maxChildren)
      return Promise.reject(new QueueFullError(`${this.running} children are at work already`));
    const child = this.#run(work);
    // What a child fails with is told by `join`.
    child.catch(() => {});
    return child;
  }

  /**
   * Waits until no child is at work, those that children spawn included, and closes the scope. Rejects with the first
   * failure of a child, or the reason for which the scope was aborted otherwise. Called again it answers the same.
   */
  join(): Promise<void> {
    this.#joined ??= this.#join();
    return this.#joined;
  }

  /**
   * Aborts the scope, waits until no child is at work, for `graceMs` at most (a number from 0, or `Infinity`), and closes it.
   * Answers how many children did not finish. After `join` there is nothing left to do.
   */
  async shutdown(graceMs: number): Promise<number> {
    requireDuration("graceMs", graceMs);
    if (!this.#closed) this.#abort(new ClosedError("the scope was shut down"));
    await this.#quiet.wait(graceMs);
    this.#close();
    return this.running;
  }

  /** Aborts the children that are still at work and waits for them, however long that takes. Failures are for `join` to tell. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown(Number.POSITIVE_INFINITY);
  }

  async #join(): Promise<void> {
    while (this.running > 0 && !this.#closed) await this.#quiet.wait(Number.POSITIVE_INFINITY);
    this.#close();
    this.signal.throwIfAborted();
  }

  async #run<T>(work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const { children } = this.#atWork;
    const child = { startedAt: performance.now() };
    if (children.size === 0) isAtWork(this.#atWork);
    children.add(child);
    try {
      return await runWithSignal(this.signal, work);
    } catch (error) {
      this.#failed(error);
      throw error;
    } finally {
      children.delete(child);
      if (children.size === 0) isIdle(this.#atWork);
      this.#quiet.check();
    }
  }

  #failed(error: unknown): void {
    if (!this.signal.aborted) {
      this.#failures.push(error);
      this.#abort(error);
    } else if (error !== this.signal.reason && !isAbortError(error)) this.#failures.push(error);
  }

  readonly #parentAborted = (event: Event): void => this.#abort((event.target as AbortSignal).reason);

  #abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  #close(): void {
    this.#closed = true;
    for (const parent of this.#parents) parent.removeEventListener("abort", this.#parentAborted);
    this.#quiet.check();
  }
}

/**
 * Runs `body`, a child as those that it spawns, and answers what it answers once all of them have finished. Rejects with
 * the first failure of any, when none is at work any more.
 */
export async function withTaskScope<T>(
  body: (scope: TaskScope) => T | Promise<T>,
  options?: TaskScopeOptions,
): Promise<T> {
  const scope = new TaskScope(options);
  const result = scope.spawn(() => body(scope));
  await scope.join();
  return await result;
}

/** What Node's own functions reject with when their signal aborts, whatever its reason. */
function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
