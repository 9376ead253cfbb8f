import { type Clock, maxDelayMs, requireInteger, systemClock, systemTimers, type Timers } from "@shoal/kernel";
import { bulkheadFull } from "./bulkhead-full.ts";
import { waitingCall } from "./waiting-call.ts";
import { WaitingLine } from "./waiting-line.ts";

/** How much a {@link Bulkhead} lets in. */
export interface BulkheadOptions {
  /** Names what is behind it in refusals, such as `inventory`. */
  readonly name: string;
  /** How many calls may be inside at once, 1 to 1,000,000. */
  readonly maxCalls: number;
  /** How many may wait for a place, 0 to 1,000,000. Default: 0. */
  readonly maxWaiting?: number;
  /** How long one waits at most, 1 to 2,147,483,647 milliseconds. Default: 100 ms. */
  readonly maxWaitMs?: number;
  /** What callers' deadlines are measured by. Default: the machine's clock. */
  readonly clock?: Clock;
  /** Everything else about time. Default: the machine's timers. */
  readonly timers?: Timers;
}

/** Nobody waits unless told otherwise, and then for a moment. */
export const defaultBulkheadOptions = Object.freeze({
  maxWaiting: 0,
  maxWaitMs: 100,
  clock: systemClock,
  timers: systemTimers,
} satisfies Partial<BulkheadOptions>);

/** How one caller waits for a place. */
export interface EnterOptions {
  /**
   * Ends the wait, with its reason, when it aborts. Default: none. The signal of the call that is being served
   * (`CallContext`) ends the wait too, and so does the call's deadline; `null` says that they do not, for work that must go
   * on when the caller has gone.
   */
  readonly signal?: AbortSignal | null | undefined;
  /** How long it is ready to wait, in milliseconds; can only shorten `maxWaitMs`. */
  readonly timeoutMs?: number;
}

/** Gives a place in a {@link Bulkhead} back. Counts once. */
export type Release = () => void;

interface Waiting {
  readonly cancelTimer: () => void;
}

/**
 * At most `maxCalls` calls to one dependency at once, so that one that hangs cannot take every caller's memory and time:
 * the others go on. The rest is refused at once, or waits in order, for a bounded time, where `maxWaiting` says so.
 * Nygard, Release It!, names it.
 *
 * States: open (there are places, and nobody waits) ⇄ full (no place is free; others wait or are refused).
 */
export class Bulkhead {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #line = new WaitingLine<Waiting, Release>(({ cancelTimer }) => cancelTimer());
  #maxCalls: number;
  #maxWaiting: number;
  #maxWaitMs: number;
  #inside = 0;

  /** Throws a `RangeError` for options out of range. */
  constructor(options: BulkheadOptions) {
    const { name, maxCalls, maxWaiting, maxWaitMs, clock, timers } = { ...defaultBulkheadOptions, ...options };
    check(maxCalls, maxWaiting, maxWaitMs);
    this.#name = name;
    this.#clock = clock;
    this.#timers = timers;
    this.#maxCalls = maxCalls;
    this.#maxWaiting = maxWaiting;
    this.#maxWaitMs = maxWaitMs;
  }

  /** How many are inside; more than may be for a while after `maxCalls` was made smaller. */
  get inside(): number {
    return this.#inside;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#line.size;
  }

  /** A place at once, or `undefined`. Overtakes nobody who waits. The caller must call what it gets when it is done. */
  tryEnter(): Release | undefined {
    return this.#inside < this.#maxCalls ? this.#enter() : undefined;
  }

  /**
   * A place, after a wait where none is free. The caller must call what it gets when it is done. Rejects with
   * {@link bulkheadFull} when too many wait or the wait is over, and with the reason of a signal that aborts, or has aborted.
   */
  async enter({ signal, timeoutMs = this.#maxWaitMs }: EnterOptions = {}): Promise<Release> {
    const call = waitingCall(signal);
    const release = this.tryEnter();
    if (release !== undefined) return release;
    const leftMs = call === undefined ? Number.POSITIVE_INFINITY : call.deadline - this.#clock.now();
    const waitMs = Math.min(timeoutMs, this.#maxWaitMs, leftMs);
    if (this.#line.size >= this.#maxWaiting || !(waitMs > 0)) throw this.#full();
    const cancelTimer = this.#timers.after(waitMs, () => this.#line.refuse(waiter, this.#full()));
    const waiter = this.#line.join({ cancelTimer }, signal, call?.signal);
    return await waiter.turn;
  }

  /** Does `work` inside; see {@link enter}. */
  async run<T>(work: () => T | Promise<T>, options?: EnterOptions): Promise<T> {
    const release = await this.enter(options);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /**
   * Changes what is named, from now on; throws a `RangeError`, and changes nothing, where that is out of range. With more
   * places those who wait go on; with fewer, as many as are inside stay until they are done. Who waits already goes on
   * waiting.
   */
  setOptions({
    maxCalls = this.#maxCalls,
    maxWaiting = this.#maxWaiting,
    maxWaitMs = this.#maxWaitMs,
  }: Pick<Partial<BulkheadOptions>, "maxCalls" | "maxWaiting" | "maxWaitMs">): void {
    check(maxCalls, maxWaiting, maxWaitMs);
    this.#maxCalls = maxCalls;
    this.#maxWaiting = maxWaiting;
    this.#maxWaitMs = maxWaitMs;
    this.#serve();
  }

  #enter(): Release {
    this.#inside += 1;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#inside -= 1;
      this.#serve();
    };
  }

  #serve(): void {
    while (this.#line.size > 0 && this.#inside < this.#maxCalls) this.#line.serve(this.#enter());
  }

  #full(): Error {
    return bulkheadFull(this.#name, this.#inside, this.#line.size);
  }
}

function check(maxCalls: number, maxWaiting: number, maxWaitMs: number): void {
  requireInteger("maxCalls", maxCalls, 1, 1_000_000);
  requireInteger("maxWaiting", maxWaiting, 0, 1_000_000);
  requireInteger("maxWaitMs", maxWaitMs, 1, maxDelayMs);
}
