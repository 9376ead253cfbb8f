import { maxDelayMs } from "@shoal/kernel";
import type { RetryBudget } from "@shoal/resilience";
import type { OnResilienceEvent } from "./resilience-events.ts";

/** Where time comes from for attempts, in milliseconds since the epoch, and chance. Timers keep the process alive. */
export interface AttemptClock {
  now(): number;
  /** Runs `run` once after `delayMs`, or after 24 days where that is more, unless the answered function is called before. */
  after(delayMs: number, run: () => void): () => void;
  /** From 0 to below 1. */
  random(): number;
}

/** The machine's. A call that pauses between its attempts is work to do: the process must not end meanwhile. */
export const systemAttemptClock: AttemptClock = Object.freeze({
  now: Date.now,
  after: (delayMs: number, run: () => void) => {
    const timer = setTimeout(run, Math.min(delayMs, maxDelayMs));
    return () => clearTimeout(timer);
  },
  random: Math.random,
});

/** A call whose attempts are made one after the other, or side by side. */
export interface RepeatedCall {
  readonly path: string;
  /** When the call is given up, by the clock. */
  readonly deadline: number;
  readonly clock: AttemptClock;
  readonly budget: RetryBudget;
  readonly onEvent: OnResilienceEvent | undefined;
  /** How many attempts have been begun. */
  readonly begun: number;
  /** How many of them have not ended. */
  readonly live: number;
  /** Begins another attempt; `isPaid`: the budget has been asked for it. */
  begin(isPaid: boolean): void;
  /** Ends the call as its last failed attempt has ended. */
  giveUp(): void;
}

/** How an attempt of a {@link RepeatedCall} has failed. */
export interface AttemptFailure {
  /** The name of the code. */
  readonly code: string;
  /** What the server says of repeating, in milliseconds: below 0 or `NaN`, not at all; `undefined` when it says nothing. */
  readonly pushbackMs: number | undefined;
  /** How long it wants its callers to wait at least, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Whether the budget was asked for it before. */
  readonly isPaid: boolean;
}

/** Decides on the attempts of one call besides the first. */
export interface FurtherAttempts {
  /** The first attempt has begun. */
  start(): void;
  /** An attempt has failed. Whether the call goes on: another attempt follows, or others are still under way. */
  failed(failure: AttemptFailure): boolean;
  /** Makes no more attempts, and leaves no timer. May be called again. */
  stop(): void;
}
