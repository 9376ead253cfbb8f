import { AppError, outsideAnyCall, requireInteger } from "@shoal/kernel";
import type { Database } from "../database.ts";
import { type OutboxTables, outboxOf, type PublishedEvent } from "./outbox.ts";

/** How an {@link OutboxFeed} reads. */
export interface OutboxFeedOptions {
  /** How often it is looked whether another instance has published something, in milliseconds, 1 to 60,000. */
  readonly pollMs: number;
  /** How many of the latest events are kept in memory, 1 to 1,000,000; who is further behind reads from the database. */
  readonly keep: number;
  /** How many are read at once, 1 to 10,000. */
  readonly pageSize: number;
  /** Told of a look that failed; it looks again all the same. Default: nobody. */
  readonly onError?: (error: unknown) => void;
  /** Told when a reader gets events; what it answers is called when the reader asks for more, or leaves. Default: nobody. */
  readonly onRead?: ((events: readonly PublishedEvent[]) => () => void) | undefined;
}

/** Looks 10 times a second, keeps 10,000 events, reads 1,000 at once. */
export const defaultOutboxFeedOptions: OutboxFeedOptions = Object.freeze({
  pollMs: 100,
  keep: 10_000,
  pageSize: 1_000,
});

/**
 * Reads what a database has published, for any number of readers: the database is asked once for all of them, and not at
 * all while there are none. A reader that is slow, or begins far back, holds up nobody and takes no memory: it reads from
 * the database until it has caught up.
 *
 * States: idle (nobody reads) ⇄ following → closed. The caller closes it.
 */
export class OutboxFeed<S extends OutboxTables> {
  readonly #database: Database<S>;
  readonly #options: OutboxFeedOptions;
  /** The latest events, one place after the other. */
  #recent: PublishedEvent[] = [];
  /** The last place that was seen; `undefined` while nobody reads. */
  #last: bigint | undefined;
  #readers = 0;
  #changed = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #closed = false;

  /** Throws a `RangeError` for options out of range. */
  constructor(database: Database<S>, options: Partial<OutboxFeedOptions> = {}) {
    this.#database = database;
    this.#options = { ...defaultOutboxFeedOptions, ...options };
    requireInteger("pollMs", this.#options.pollMs, 1, 60_000);
    requireInteger("keep", this.#options.keep, 1, 1_000_000);
    requireInteger("pageSize", this.#options.pageSize, 1, 10_000);
  }

  /** How many read now. */
  get readers(): number {
    return this.#readers;
  }

  /** The place of the last event that is published. Whoever reads from there on misses nothing that is committed later. */
  async position(): Promise<bigint> {
    const { next_seq } = await outboxOf(this.#database.db)
      .selectFrom("outbox_position")
      .select("next_seq")
      .where("id", "=", 1)
      .executeTakeFirstOrThrow();
    return next_seq - 1n;
  }

  /** Looks now, because something was published by this instance. */
  wake(): void {
    if (this.#readers > 0) this.#look();
  }

  /**
   * All events after the place `after`, in groups as they come, and on until `signal` aborts or the feed is closed, which ends
   * the iteration quietly. Throws an `AppError` (`precondition`, `EVENTS_PRUNED`) where some of them are deleted, or no event
   * has been at `after` (`EVENTS_UNKNOWN`), as in a database that was restored from a backup.
   */
  async *read(after: bigint, signal: AbortSignal): AsyncGenerator<readonly PublishedEvent[], void, undefined> {
    if (this.#closed) return;
    this.#readers += 1;
    // For all readers: it must not end with the call of the first one.
    if (this.#readers === 1)
      this.#timer = outsideAnyCall(() => setInterval(() => this.#look(), this.#options.pollMs).unref());
    // A promise of its own that lives as long as the reader would keep something of each wait.
    const stop = () => this.#tell();
    signal.addEventListener("abort", stop, { once: true });
    try {
      const position = await this.position();
      if (after > position) throw notPublished(after, position);
      this.#last ??= position;
      let at = after;
      while (!signal.aborted && !this.#closed) {
        const changed = this.#changed.promise;
        const events = this.#recentAfter(at) ?? (await this.#page(at));
        const last = events.at(-1);
        if (last === undefined) {
          await changed;
          continue;
        }
        at = last.seq;
        const done = this.#options.onRead?.(events);
        try {
          yield events;
        } finally {
          done?.();
        }
      }
    } finally {
      signal.removeEventListener("abort", stop);
      this.#readers -= 1;
      if (this.#readers === 0) this.#rest();
    }
  }

  /** Ends all readers. May be called again. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#rest();
    this.#tell();
    await this.#looking;
  }

  /** What is in memory after a place; `undefined` where it goes further back. */
  #recentAfter(after: bigint): readonly PublishedEvent[] | undefined {
    const last = this.#last ?? 0n;
    if (after >= last) return [];
    const first = this.#recent[0]?.seq;
    if (first === undefined || after + 1n < first) return undefined;
    return this.#recent.slice(Number(after + 1n - first));
  }

  async #page(after: bigint): Promise<readonly PublishedEvent[]> {
    // Published before this look, so it finds them, unless they are deleted.
    const last = this.#last ?? after;
    const rows = await outboxOf(this.#database.db)
      .selectFrom("outbox")
      .selectAll()
      .where("seq", ">", after)
      .orderBy("seq")
      .limit(this.#options.pageSize)
      .execute();
    const events = rows.map((row) => ({
      topic: row.topic,
      key: row.event_key,
      version: row.version,
      payload: row.payload,
      atMs: Number(row.at_ms),
      seq: row.seq as bigint,
      traceparent: row.traceparent ?? undefined,
    }));
    const first = events[0]?.seq ?? last + 1n;
    if (first > after + 1n) throw eventsPruned(after, first);
    return events;
  }

  #look(): void {
    this.#lookAgain = true;
    this.#looking ??= outsideAnyCall(() => this.#follow()).finally(() => {
      this.#looking = undefined;
    });
  }

  async #follow(): Promise<void> {
    const { keep, pageSize, onError } = this.#options;
    try {
      while (this.#lookAgain && this.#last !== undefined && !this.#closed) {
        this.#lookAgain = false;
        const events = await this.#page(this.#last);
        const last = events.at(-1);
        if (last === undefined) continue;
        if (this.#readers === 0) return;
        this.#last = last.seq;
        this.#recent.push(...events);
        if (this.#recent.length > 2 * keep) this.#recent = this.#recent.slice(-keep);
        if (events.length === pageSize) this.#lookAgain = true;
        this.#tell();
      }
    } catch (error) {
      onError?.(error);
    }
  }

  #tell(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#recent = [];
    this.#last = undefined;
  }
}

function notPublished(after: bigint, position: bigint): AppError {
  return new AppError({
    kind: "precondition",
    reason: "EVENTS_UNKNOWN",
    domain: "shoal.storage",
    message: `no event has place ${after} yet, the last one is ${position}: read the present state, and go on from there`,
    preconditions: [{ subject: String(after), description: `the last event has place ${position}` }],
  });
}

function eventsPruned(after: bigint, first: bigint): AppError {
  return new AppError({
    kind: "precondition",
    reason: "EVENTS_PRUNED",
    domain: "shoal.storage",
    message: `the events after place ${after} are not kept any more, the oldest is ${first}: read the present state, and go on from there`,
    preconditions: [{ subject: String(after), description: `the oldest event has place ${first}` }],
  });
}
