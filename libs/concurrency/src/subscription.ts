import { type Linked, LinkedList, systemTimers } from "@shoal/kernel";
import { WaiterQueue } from "./waiter-queue.ts";

/** A subscriber took longer than its queue could bridge; it has missed values and should begin anew. */
export class LaggedError extends Error {
  override readonly name = "LaggedError";
}

/**
 * What becomes of a subscriber whose queue is full when another value comes:
 *
 *  - `disconnect`: it loses its queue and ends with a {@link LaggedError}; for those who must see every value
 *  - `drop-oldest`: the value that has been queued longest is dropped; for those who want the latest
 *  - `drop-newest`: the value that comes is dropped; for those who want what came first
 */
export type SlowSubscriberPolicy = "disconnect" | "drop-oldest" | "drop-newest";

/** All that there are. */
export const slowSubscriberPolicies: readonly SlowSubscriberPolicy[] = ["disconnect", "drop-oldest", "drop-newest"];

/** How one subscribes. */
export interface SubscribeOptions {
  /** What happens when this subscriber is slow. Default: `disconnect`. */
  readonly whenSlow?: SlowSubscriberPolicy;
}

/** See each option. */
export const defaultSubscribeOptions = Object.freeze({ whenSlow: "disconnect" } satisfies SubscribeOptions);

/** The values that one subscriber gets. Reads that wait at once are answered in their order. */
export interface Subscription<T> extends AsyncIterableIterator<T, void, undefined> {
  /** How many values were dropped because the subscriber was slow. */
  readonly dropped: number;
  /** How many values are queued. */
  readonly queued: number;
  /** Unsubscribes. */
  return(): Promise<IteratorResult<T, void>>;
}

/** How many reads of one subscriber may wait at once; a loop has one. */
const maxReads = 1_000;

const patient = {
  signal: undefined,
  callSignal: undefined,
  timeoutMs: Number.POSITIVE_INFINITY,
  deadline: Number.POSITIVE_INFINITY,
};

const done = Object.freeze({ done: true, value: undefined });

interface Queued<T> extends Linked<Queued<T>> {
  readonly value: T;
}

/**
 * One subscriber of a broadcast: its queue, and its reads.
 *
 * States: subscribed → lagged (only `disconnect`; told at its next read) → ended; or subscribed → ended (its signal aborted,
 * it left the loop), or → finishing (the broadcast was closed; it reads what is queued) → ended.
 */
export class Subscriber<T> implements Subscription<T> {
  readonly #accepts: (value: T) => boolean;
  readonly #signal: AbortSignal;
  readonly #limit: number;
  readonly #whenSlow: SlowSubscriberPolicy;
  readonly #ended: () => void;
  readonly #queue = new LinkedList<Queued<T>>();
  readonly #reads = new WaiterQueue<IteratorResult<T, void>>(maxReads, systemTimers);
  #state: "subscribed" | "lagged" | "finishing" | "ended" = "subscribed";
  #dropped = 0;

  constructor(
    accepts: (value: T) => boolean,
    signal: AbortSignal,
    limit: number,
    whenSlow: SlowSubscriberPolicy,
    ended: () => void,
  ) {
    this.#accepts = accepts;
    this.#signal = signal;
    this.#limit = limit;
    this.#whenSlow = whenSlow;
    this.#ended = ended;
    signal.addEventListener("abort", this.end);
  }

  get dropped(): number {
    return this.#dropped;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Takes a value in, if it wants it; never waits. */
  offer(value: T): void {
    if (this.#state !== "subscribed" || !this.#accepts(value)) return;
    if (this.#reads.serve({ done: false, value }) !== undefined) return;
    if (this.#queue.size < this.#limit) this.#push(value);
    else this.#overflow(value);
  }

  async next(): Promise<IteratorResult<T, void>> {
    if (this.#state === "lagged") {
      this.end();
      throw new LaggedError("the subscriber is too slow for what is published");
    }
    const first = this.#queue.shift();
    if (this.#state === "finishing" && this.#queue.size === 0) this.end();
    if (first !== undefined) return { done: false, value: first.value };
    if (this.#state === "ended") return done;
    return await this.#reads.wait(patient, undefined);
  }

  async return(): Promise<IteratorResult<T, void>> {
    this.end();
    return done;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Nothing more comes: it ends when what is queued has been read. */
  finish(): void {
    if (this.#state !== "subscribed") return;
    this.#state = "finishing";
    if (this.#queue.size === 0) this.end();
  }

  /** Ends it at once. */
  readonly end = (): void => {
    this.#state = "ended";
    this.#signal.removeEventListener("abort", this.end);
    this.#ended();
    this.#clear();
    while (this.#reads.size > 0) this.#reads.serve(done);
  };

  #overflow(value: T): void {
    if (this.#whenSlow === "disconnect") {
      this.#state = "lagged";
      this.#clear();
      return;
    }
    this.#dropped += 1;
    if (this.#whenSlow === "drop-newest") return;
    this.#queue.shift();
    this.#push(value);
  }

  #push(value: T): void {
    this.#queue.push({ value, previous: undefined, next: undefined });
  }

  #clear(): void {
    while (this.#queue.shift() !== undefined);
  }
}
