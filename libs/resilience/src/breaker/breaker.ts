import type { Outcome } from "../outcome.ts";

/** Leave for one call. Whoever got it says how the call ended. */
export interface BreakerPermit {
  /** Says how the call ended, once; what is said after that is dropped. */
  end(outcome: Outcome): void;
}

/** Lets calls through to something while that is well. Never waits: a call gets its permit at once or not at all. */
export interface Breaker {
  /** Leave for one call; `undefined` when it is refused. */
  tryAcquire(): BreakerPermit | undefined;
  /** How long a caller that was refused now should wait, in milliseconds; 0 when calls are let through. */
  readonly retryAfterMs: number;
  /** What callers are told why they are refused: UPPER_SNAKE, and API. Default: `CIRCUIT_OPEN`. */
  readonly reason?: string;
}
