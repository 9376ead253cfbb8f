import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { Transferable } from "node:worker_threads";
import { maxDelayMs, requireInteger, systemTimers, type Timers } from "@shoal/kernel";
import { Piscina } from "piscina";
import type { WaitOptions } from "./wait-options.ts";
import { WorkerPool } from "./worker-pool.ts";

/** What a {@link CpuPool} runs, and with how much. */
export interface CpuPoolOptions {
  /** The module whose default export does a task, such as `new URL("./hash-worker.ts", import.meta.url)`. */
  readonly worker: URL;
  /** Threads, from 1; each does one task at a time. Default: one less than the machine has processors, at least 1. */
  readonly threads?: number;
  /** Tasks that may wait for a thread, from 0. Default: 1,000. */
  readonly maxQueued?: number;
  /** After how long without a task a thread ends, in milliseconds, 1 to 2,147,483,647. Default: 10 s. */
  readonly idleMs?: number;
  /** How time passes for those who wait. Default: the machine's. */
  readonly timers?: Timers;
}

/** See each option. */
export const defaultCpuPoolOptions = Object.freeze({
  threads: Math.max(1, availableParallelism() - 1),
  maxQueued: 1_000,
  idleMs: 10_000,
  timers: systemTimers,
} satisfies Partial<CpuPoolOptions>);

/** How a task is run. */
export interface CpuTaskOptions extends WaitOptions {
  /** What is handed over to the thread instead of copied; it is empty here afterwards. Default: nothing. */
  readonly transfer?: readonly Transferable[];
}

/**
 * Runs what needs the processor in threads of its own, so that the event loop stays free. Tasks and results are copied
 * (structured clone) unless transferred.
 *
 * States: open → closing → closed. Who made it ends it; threads do not end a process that has nothing else to do before
 * they have been idle for `idleMs`.
 */
export interface CpuPool<T, R> {
  /** How many tasks are being done. */
  readonly running: number;
  /** How many tasks wait for a thread. */
  readonly queued: number;
  /**
   * Has a thread do `task`, and answers what the worker's function answers. Rejects with what that throws, with a
   * {@link QueueFullError} where `maxQueued` tasks wait already, a {@link WaitTimeoutError} when `timeoutMs` is over (queue
   * and work together), the signal's reason when that aborts, a {@link ClosedError} after `close` or `terminate`, and the
   * reason for which no thread could be started, such as a worker that cannot be loaded. A task that is left while it runs
   * takes its thread with it: computing cannot be interrupted otherwise. So does one that ends or breaks its thread. Another
   * thread is started then.
   */
  run(task: T, options?: CpuTaskOptions): Promise<R>;
  /** Refuses what comes, does all that is left, and ends the threads. May be called again. */
  close(): Promise<void>;
  /** Refuses what comes, what is queued and what is being done, and ends the threads at once. May be called again. */
  terminate(): Promise<void>;
}

/**
 * A pool of threads (those of piscina) that run one worker. Throws a `RangeError` for options out of range. What breaks
 * a thread that has no task, such as a timer that a worker has left, becomes a warning of the process.
 */
export function createCpuPool<T, R>(options: CpuPoolOptions): CpuPool<T, R> {
  const { worker, threads, maxQueued, idleMs, timers } = { ...defaultCpuPoolOptions, ...options };
  requireInteger("threads", threads, 1);
  requireInteger("maxQueued", maxQueued, 0);
  requireInteger("idleMs", idleMs, 1, maxDelayMs);
  const piscina = new Piscina<T, R>({
    filename: fileURLToPath(worker),
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: idleMs,
  });
  // Who waits and for how long is decided here: piscina never gets more than its threads can do.
  const workers = new WorkerPool({ workers: threads, maxQueued, timers });
  const tasks = new Set<AbortController>();
  piscina.on("error", (error: Error) => {
    process.emitWarning(error);
    // Tasks that still stand in piscina's queue wait for a thread that has not come up, and would for ever; they are those
    // that came last.
    for (const task of [...tasks].reverse()) if (piscina.queueSize > 0) task.abort(error);
  });
  const run = async (task: T, transfer: readonly Transferable[], signal: AbortSignal): Promise<R> => {
    const controller = new AbortController();
    const ended = AbortSignal.any([signal, controller.signal]);
    tasks.add(controller);
    try {
      return await piscina.run(task, { signal: ended, transferList: [...transfer] });
    } catch (error) {
      ended.throwIfAborted();
      throw error;
    } finally {
      tasks.delete(controller);
    }
  };
  return {
    get running() {
      return workers.running;
    },
    get queued() {
      return workers.queued;
    },
    run: (task, { transfer = [], ...wait } = {}) => workers.run((signal) => run(task, transfer, signal), wait),
    close: async () => {
      await workers.close();
      await piscina.destroy();
    },
    terminate: async () => {
      await workers.shutdown(Number.POSITIVE_INFINITY);
      await piscina.destroy();
    },
  };
}
