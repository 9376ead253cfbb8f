import { type Clock, maxDelayMs, requireInteger, systemClock, systemTimers, type Timers } from "@shoal/kernel";
import { waitingCall } from "../waiting-call.ts";
import { WaitingLine } from "../waiting-line.ts";
import { rateLimited } from "./rate-limited.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import { requireCost, requireRate } from "./require-rate.ts";

/** How fast a {@link LeakyBucket} leaks, and how much it holds. */
export interface LeakyBucketOptions {
  /** Names the limit in refusals. Default: `calls`. */
  readonly name?: string;
  /** How many pass in a second, above 0 to 1,000,000,000; a fraction for less than one. */
  readonly perSecond: number;
  /** How many may wait, 0 to 1,000,000. Default: 1,000. */
  readonly maxWaiting?: number;
  /** How long one waits at most, unless it says otherwise: in milliseconds from 0. Default: 1 s. */
  readonly maxWaitMs?: number;
  /** What callers' deadlines are measured by. Default: the machine's clock. */
  readonly clock?: Clock;
  /** Everything else about time. Default: the machine's timers. */
  readonly timers?: Timers;
}

/** 1,000 may wait, for a second. */
export const defaultLeakyBucketOptions = Object.freeze({
  name: "calls",
  maxWaiting: 1_000,
  maxWaitMs: 1_000,
  clock: systemClock,
  timers: systemTimers,
} satisfies Partial<LeakyBucketOptions>);

/** How one caller waits for its turn. */
export interface TurnOptions {
  /** How much it takes, above 0: the next one's turn comes so much later. Default: 1. */
  readonly cost?: number;
  /**
   * Ends the wait, with its reason, when it aborts. Default: none. The signal of the call that is being served
   * (`CallContext`) ends the wait too, and so does the call's deadline; `null` says that they do not, for work that must go
   * on when the caller has gone.
   */
  readonly signal?: AbortSignal | null | undefined;
  /** How long it is ready to wait, in milliseconds from 0. Default: `maxWaitMs`. */
  readonly timeoutMs?: number;
}

interface Turn {
  readonly cost: number;
  /** Until when it is ready to wait, in the time of the timers. */
  readonly until: number;
}

/** How much lateness of timers is made up for, in milliseconds: they are never exact, and take no less than 1 ms. */
const catchUpMs = 10;

/**
 * Paces instead of refusing: callers go on one after the other, `1,000 / perSecond` milliseconds apart (times the cost of
 * the one before), in the order in which they came. What was not used does not add up to a burst. The leaky bucket as a
 * queue (Turner, New directions in communications, 1986). A timer that is late, as all are when the process is busy, has
 * those go on together whose turns have come; no more than 10 ms of turns are made up for.
 *
 * States: free (nobody waits; the next one goes on at once when its turn has come) → pacing (somebody waits, one timer is
 * set) → free when the last one has gone on or left. Nothing to close: without waiters it holds no timer.
 */
export class LeakyBucket implements RateLimiter {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #line = new WaitingLine<Turn, void>((turn) => this.#left(turn));
  #perSecond: number;
  #intervalMs: number;
  #maxWaiting: number;
  #maxWaitMs: number;
  /** When the next turn comes, in the time of the timers. */
  #turnAt: number;
  /** What those who wait take together. */
  #waitingCost = 0;
  #cancelTimer: (() => void) | undefined;

  /** Throws a `RangeError` for options out of range. */
  constructor(options: LeakyBucketOptions) {
    const { name, perSecond, maxWaiting, maxWaitMs, clock, timers } = { ...defaultLeakyBucketOptions, ...options };
    check(perSecond, maxWaiting, maxWaitMs);
    this.#name = name;
    this.#clock = clock;
    this.#timers = timers;
    this.#perSecond = perSecond;
    this.#intervalMs = 1_000 / perSecond;
    this.#maxWaiting = maxWaiting;
    this.#maxWaitMs = maxWaitMs;
    this.#turnAt = timers.now();
  }

  /** How many wait. */
  get waiting(): number {
    return this.#line.size;
  }

  /** Without waiting: goes on where the turn is now and nobody waits for it. See {@link RateLimiter.tryAcquire}. */
  tryAcquire(cost = 1): number {
    requireCost(cost);
    const now = this.#timers.now();
    const waitMs = this.#waitMs(now);
    if (waitMs > 0) return Math.ceil(waitMs);
    this.#turnAt = now + cost * this.#intervalMs;
    return 0;
  }

  /**
   * Waits for its turn. Rejects at once with {@link rateLimited}, and takes nothing, where too many wait or its turn would
   * come later than it is ready to wait; with the reason of a signal that aborts, or has aborted; with a `RangeError` for a
   * cost that is not above 0. Whoever leaves makes the others' turns come sooner.
   */
  async acquire({ cost = 1, signal, timeoutMs = this.#maxWaitMs }: TurnOptions = {}): Promise<void> {
    const call = waitingCall(signal);
    if (this.tryAcquire(cost) === 0) return;
    const leftMs = call === undefined ? Number.POSITIVE_INFINITY : Math.max(0, call.deadline - this.#clock.now());
    const patienceMs = Math.min(timeoutMs, leftMs);
    const now = this.#timers.now();
    const waitMs = this.#waitMs(now);
    if (this.#line.size >= this.#maxWaiting) throw rateLimited(this.#name, Math.max(1, this.#turnAt - now));
    if (!(waitMs <= patienceMs)) throw rateLimited(this.#name, waitMs - patienceMs);
    this.#waitingCost += cost;
    const { turn } = this.#line.join({ cost, until: now + patienceMs }, signal, call?.signal);
    this.#arm(now);
    await turn;
  }

  /** See {@link RateLimiter.isIdle}. */
  isIdle(): boolean {
    return this.#waitMs(this.#timers.now()) <= 0;
  }

  /**
   * Changes what is named, from now on; throws a `RangeError`, and changes nothing, where that is out of range. Turns come
   * at the new rate at once, also for those who wait; whoever would now wait longer than it is ready to is refused.
   */
  setOptions({
    perSecond = this.#perSecond,
    maxWaiting = this.#maxWaiting,
    maxWaitMs = this.#maxWaitMs,
  }: Pick<Partial<LeakyBucketOptions>, "perSecond" | "maxWaiting" | "maxWaitMs">): void {
    check(perSecond, maxWaiting, maxWaitMs);
    this.#maxWaiting = maxWaiting;
    this.#maxWaitMs = maxWaitMs;
    const now = this.#timers.now();
    const intervalMs = 1_000 / perSecond;
    this.#turnAt = now + Math.max(0, this.#turnAt - now) * (intervalMs / this.#intervalMs);
    this.#perSecond = perSecond;
    this.#intervalMs = intervalMs;
    let turnAt = this.#turnAt;
    this.#line.refuseEach(({ cost, until }) => {
      if (turnAt > until) return rateLimited(this.#name, turnAt - until);
      turnAt += cost * intervalMs;
      return undefined;
    });
    this.#disarm();
    this.#arm(now);
  }

  /** How long one that came now would wait. */
  #waitMs(now: number): number {
    const aheadMs = this.#waitingCost * this.#intervalMs;
    return this.#turnAt > now ? this.#turnAt - now + aheadMs : aheadMs;
  }

  #serve(): void {
    this.#cancelTimer = undefined;
    const now = this.#timers.now();
    for (let first = this.#line.first; first !== undefined && this.#turnAt <= now; first = this.#line.first) {
      this.#turnAt = Math.max(this.#turnAt, now - catchUpMs) + first.item.cost * this.#intervalMs;
      this.#line.serve();
    }
    this.#arm(now);
  }

  #arm(now: number): void {
    if (this.#cancelTimer !== undefined || this.#line.size === 0) return;
    const delayMs = Math.min(maxDelayMs, Math.max(0, this.#turnAt - now));
    this.#cancelTimer = this.#timers.after(delayMs, () => this.#serve());
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #left({ cost }: Turn): void {
    const { size } = this.#line;
    // Sums of fractions drift, so an empty line begins anew.
    this.#waitingCost = size === 0 ? 0 : this.#waitingCost - cost;
    if (size === 0) this.#disarm();
  }
}

function check(perSecond: number, maxWaiting: number, maxWaitMs: number): void {
  requireRate(perSecond);
  requireInteger("maxWaiting", maxWaiting, 0, 1_000_000);
  requireInteger("maxWaitMs", maxWaitMs, 0);
}
