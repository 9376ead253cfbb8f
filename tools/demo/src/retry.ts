import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "@shoal/kernel";

/** How patient the demo is with a system that is in trouble. Times are in milliseconds. */
export interface Patience {
  /** How often a call is made, and a stream begun, at least before its failure is passed on … */
  readonly attempts: number;
  /** … and for how long. */
  readonly patienceMs: number;
  /**
   * How long to wait before the next attempt when the failure does not say: half of it more or less. Where it says so it is
   * as long as that, and up to half of it more.
   */
  readonly pauseMs: number;
}

/** Five attempts at least, over half a minute, a second apart. */
export const defaultPatience: Patience = Object.freeze({ attempts: 5, patienceMs: 30_000, pauseMs: 1_000 });

/** What may be otherwise the next time, or at another instance. All that the demo does may be repeated. */
const transientKinds: readonly string[] = ["unavailable", "exhausted", "timeout", "stale", "internal"];

/** Whether the same request may succeed later. */
export function isTransient(error: unknown): error is AppError {
  return error instanceof AppError && transientKinds.includes(error.kind);
}

/**
 * Makes an idempotent call, again and again while it fails for a transient reason and there is patience left; answers
 * what it answers, or fails with the last failure. Stops waiting when `signal` aborts.
 */
export async function retrying<T>(
  signal: AbortSignal,
  call: (attempt: number) => Promise<T>,
  { attempts, patienceMs, pauseMs }: Patience = defaultPatience,
): Promise<T> {
  const startedAt = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(attempt);
    } catch (error) {
      const isSpent = attempt >= attempts && performance.now() - startedAt >= patienceMs;
      if (isSpent || signal.aborted || !isTransient(error)) throw error;
      const { retryAfterMs } = error;
      const waitMs =
        retryAfterMs === undefined ? pauseMs * (0.5 + Math.random()) : retryAfterMs * (1 + Math.random() / 2);
      await sleep(waitMs, undefined, { signal });
    }
  }
}
