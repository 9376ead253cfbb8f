import { requireInteger } from "@shoal/kernel";
import type { Outcome } from "../outcome.ts";
import type { Breaker, BreakerPermit } from "./breaker.ts";
import { HeldPermit } from "./permit.ts";
import { TimeWindow } from "./time-window.ts";

/** How much more than what it takes a callee is sent. */
export interface AdaptiveThrottleSettings {
  /**
   * Which calls count: those that ended in the last so many milliseconds, from 10, exact to a tenth of it. The shorter, the
   * sooner it lets all through again after an outage, which takes two to four times as long. Default: 10 s.
   */
  readonly windowMs: number;
  /**
   * How many times what the callee takes may be sent to it: 1 to 100. More of it costs the callee more refusals, and tells
   * sooner that it takes more again. Default: 2.
   */
  readonly multiplier: number;
  /** With fewer calls in the window none is refused: from 0. Default: 20. */
  readonly minimumCalls: number;
  /**
   * For how long it refuses all at most, in milliseconds from 1: whoever comes then is let through. Of thousands of calls a
   * second, when none is taken, hardly any would be let through otherwise. `Infinity` for ever. Default: 1 s.
   */
  readonly probeEveryMs: number;
}

/** What an adaptive throttle is made of. */
export interface AdaptiveThrottleOptions extends Partial<AdaptiveThrottleSettings> {
  /** Milliseconds since some moment; never goes back. Default: `performance.now`, which no change of the wall clock touches. */
  readonly now?: () => number;
  /** From 0 to below 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/** Twice as much as was taken in the last 10 s; see each setting. */
export const defaultAdaptiveThrottleOptions = Object.freeze({
  windowMs: 10_000,
  multiplier: 2,
  minimumCalls: 20,
  probeEveryMs: 1_000,
  now: () => performance.now(),
  random: Math.random,
} satisfies AdaptiveThrottleOptions);

/**
 * Refuses calls by chance, the more of them the more the callee does not take, so that an overloaded one is spared the work
 * of refusing what it cannot take anyway: the client-side throttling of Google's "Site Reliability Engineering" (2016),
 * chapter 21, "Handling Overload". A call is refused with a probability of
 *
 *     max(0, (calls - multiplier × taken) / (calls + 1))
 *
 * where `taken` are those that succeeded, and `calls` are these, those that failed, and those that were refused here. Calls
 * count when they end; neutral ones do not. So, unlike a circuit breaker, it has no states: it gives way as far as it must.
 * No timers: nothing to close.
 */
export class AdaptiveThrottle implements Breaker {
  readonly reason = "THROTTLED";
  readonly #windowMs: number;
  readonly #multiplier: number;
  readonly #minimumCalls: number;
  readonly #probeEveryMs: number;
  readonly #now: () => number;
  readonly #madeAt: number;
  readonly #random: () => number;
  /** Its failures are the calls that were not taken. */
  readonly #window: TimeWindow;
  #letThroughAt = Number.NEGATIVE_INFINITY;

  /** Throws a `RangeError` that names the option that is out of its range. */
  constructor(options: AdaptiveThrottleOptions = {}) {
    const { windowMs, multiplier, minimumCalls, probeEveryMs, now, random } = {
      ...defaultAdaptiveThrottleOptions,
      ...options,
    };
    requireInteger("windowMs", windowMs, 10);
    if (!(multiplier >= 1 && multiplier <= 100))
      throw new RangeError(`multiplier must be a number from 1 to 100, not ${multiplier}`);
    requireInteger("minimumCalls", minimumCalls, 0);
    if (probeEveryMs !== Number.POSITIVE_INFINITY) requireInteger("probeEveryMs", probeEveryMs, 1);
    this.#windowMs = windowMs;
    this.#multiplier = multiplier;
    this.#minimumCalls = minimumCalls;
    this.#probeEveryMs = probeEveryMs;
    this.#now = now;
    this.#madeAt = now();
    this.#random = random;
    this.#window = new TimeWindow(windowMs);
  }

  /** The share of calls that is refused now: 0 to 1. */
  get refusalRate(): number {
    return this.#refusalRate(this.#time());
  }

  /** The share of the window that corresponds to {@link refusalRate}: after a whole one all is forgotten. */
  get retryAfterMs(): number {
    return this.refusalRate * this.#windowMs;
  }

  tryAcquire(): BreakerPermit | undefined {
    const now = this.#time();
    const rate = this.#refusalRate(now);
    if (rate > 0 && now - this.#letThroughAt < this.#probeEveryMs && this.#random() < rate) {
      this.#window.add(now, true, false);
      return undefined;
    }
    this.#letThroughAt = now;
    return new HeldPermit(this.#settle, 0, 0);
  }

  /** Whole milliseconds since it was made: for 24 days such numbers take no memory of their own, as fractions do. */
  #time(): number {
    return Math.floor(this.#now() - this.#madeAt);
  }

  #refusalRate(now: number): number {
    const window = this.#window;
    window.age(now);
    const { calls, failures } = window;
    if (calls < this.#minimumCalls) return 0;
    return Math.max(0, (calls - this.#multiplier * (calls - failures)) / (calls + 1));
  }

  readonly #settle = (_permit: HeldPermit, outcome: Outcome): void => {
    if (outcome !== "neutral") this.#window.add(this.#time(), outcome === "failure", false);
  };
}
