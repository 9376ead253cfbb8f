import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Part } from "./id-table.ts";
import type { Side, SideOptions } from "./side.ts";
import { SnapshotError } from "./snapshot.ts";

/** What is asked of a thread that reads one database, as it was when it was opened last. */
export interface SideTasks {
  /** From here on the database is the one of now; answers how many orders or reservations it has. */
  open(): Promise<number>;
  read(argument: { readonly part: Part; readonly options: SideOptions }): Promise<Side>;
  /** The ids that have these keys. */
  idsOf(keys: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The lines of an order or reservation, in words. */
  linesOf(id: string): Promise<string>;
  /** Those of the ids that there are by now; from here on the database is the one of now. */
  known(ids: readonly string[]): Promise<readonly string[]>;
}

/** What a thread is sent. */
export interface ThreadRequest {
  readonly task: keyof SideTasks;
  readonly argument: unknown;
}

/** What it sends back, for each request. An error loses its class on the way: only a `SnapshotError` has an `isAbsent`. */
export type ThreadReply =
  | { readonly answer: unknown }
  | { readonly error: Error; readonly isAbsent: boolean | undefined };

/** What comes from the drivers is garbage at once; what is kept stands outside the heap. */
const heapLimits = { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 96 };

/** A thread that reads one database, so that two are read at the same time. Does one task at a time. Who made it ends it. */
export class DatabaseThread {
  readonly #worker: Worker;

  constructor(service: "order" | "inventory", url: string) {
    this.#worker = new Worker(new URL("./side-thread.ts", import.meta.url), {
      workerData: { service, url },
      resourceLimits: heapLimits,
    });
  }

  /** Has it do a task. Rejects with what that throws. */
  async ask<T extends keyof SideTasks>(
    task: T,
    ...[argument]: Parameters<SideTasks[T]>
  ): Promise<Awaited<ReturnType<SideTasks[T]>>> {
    const request: ThreadRequest = { task, argument };
    this.#worker.postMessage(request);
    // Rejects as well when the thread breaks.
    const [reply] = (await once(this.#worker, "message")) as [ThreadReply];
    if ("answer" in reply) return reply.answer as Awaited<ReturnType<SideTasks[T]>>;
    const { error, isAbsent } = reply;
    throw isAbsent === undefined ? error : new SnapshotError(error.message, isAbsent);
  }

  /** Ends the thread, and its connection with it. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
