import { setTimeout as sleep } from "node:timers/promises";
import { crashPoint, maxDelayMs, requireInteger } from "@shoal/kernel";
import type { Database } from "../database.ts";
import type { OutboxTables } from "./outbox.ts";
import { defaultPublishOptions, hasUnpublishedEvents, pruneEvents, publishEvents } from "./publish.ts";

/** How an {@link OutboxRelay} works. Times are in milliseconds. */
export interface OutboxRelayOptions {
  /** How long after it has published events, 0 to 10,000, those that are committed meanwhile gather, to go together. */
  readonly lingerMs: number;
  /** How often it looks for what it was not told of, such as what an instance that crashed has left, 10 to 3,600,000. */
  readonly intervalMs: number;
  /** How long published events are kept for those who come late, 1,000 to 2,147,483,647. */
  readonly keepMs: number;
  /** Told how many were published, at once. Default: nobody. */
  readonly onPublished?: (count: number) => void;
  /** Told when something waits to be published, and when nothing does any more, as far as it has looked. Default: nobody. */
  readonly onBehind?: () => void;
  readonly onCaughtUp?: () => void;
  /** Told of a look that failed; it looks again after `intervalMs`. Default: nobody. */
  readonly onError?: (error: unknown) => void;
}

/** What comes alone is published at once, else every 50 ms; it looks every second, and keeps events for a day. */
export const defaultOutboxRelayOptions: OutboxRelayOptions = Object.freeze({
  lingerMs: 50,
  intervalMs: 1_000,
  keepMs: 24 * 60 * 60_000,
});

/** How often old events are looked for, in milliseconds, and how many are deleted at once. */
const pruneEveryMs = 10_000;
const pruneLimit = 1_000;

/**
 * Publishes what the transactions of this instance, and of others that have crashed, have written into the outbox, and
 * deletes what is old. Every instance has one; they take turns (`publishEvents`).
 *
 * States: waiting ⇄ publishing → stopped. The caller stops it.
 */
export class OutboxRelay<S extends OutboxTables> {
  readonly #database: Database<S>;
  readonly #options: OutboxRelayOptions;
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;
  #isNudged = false;
  /** Ends the wait that it is in. */
  #wake: (() => void) | undefined;

  /** Begins at once. Throws a `RangeError` for options out of range. */
  constructor(database: Database<S>, options: Partial<OutboxRelayOptions> = {}) {
    this.#database = database;
    this.#options = { ...defaultOutboxRelayOptions, ...options };
    requireInteger("lingerMs", this.#options.lingerMs, 0, 10_000);
    requireInteger("intervalMs", this.#options.intervalMs, 10, 3_600_000);
    requireInteger("keepMs", this.#options.keepMs, 1_000, maxDelayMs);
    this.#running = this.#run();
  }

  /** Something was committed that may have written events. Cheap: for telling after every transaction. */
  nudge(): void {
    this.#isNudged = true;
    this.#wake?.();
  }

  /** Publishes nothing more, and resolves when nothing is at work. May be called again. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { lingerMs, intervalMs, onPublished, onBehind, onCaughtUp, onError } = this.#options;
    const { signal } = this.#stopped;
    let pruneAt = performance.now() + pruneEveryMs;
    let isNudged = false;
    while (!signal.aborted) {
      try {
        const isDue: boolean = isNudged || (await hasUnpublishedEvents(this.#database));
        if (isDue) onBehind?.();
        const count: number = isDue ? await publishEvents(this.#database) : 0;
        if (count < defaultPublishOptions.limit) onCaughtUp?.();
        if (count > 0) {
          crashPoint("after-publish");
          onPublished?.(count);
          await pause(lingerMs, signal);
        }
        if (performance.now() >= pruneAt && (await this.#prune()) < pruneLimit)
          pruneAt = performance.now() + pruneEveryMs;
        isNudged = count === defaultPublishOptions.limit || (await this.#untilNudged(intervalMs));
      } catch (error) {
        if (!signal.aborted) onError?.(error);
        await pause(intervalMs, signal);
      }
    }
  }

  #prune(): Promise<number> {
    return pruneEvents(this.#database, { beforeMs: Date.now() - this.#options.keepMs, limit: pruneLimit });
  }

  /** Waits until it is nudged, or has been since the last time, or `ms` are over; answers whether it was nudged. */
  async #untilNudged(ms: number): Promise<boolean> {
    if (!this.#isNudged) {
      const over = new AbortController();
      this.#wake = () => over.abort();
      await pause(ms, AbortSignal.any([this.#stopped.signal, over.signal]));
      this.#wake = undefined;
    }
    const wasNudged = this.#isNudged;
    this.#isNudged = false;
    return wasNudged;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => {});
}
