import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "@shoal/kernel";

/** How often a call is made, and a stream begun, before its failure is passed on. */
const maxAttempts = 5;

/** How long to wait before the next attempt when the failure does not say, in milliseconds. */
const pauseMs = 1_000;

/** Whether the same request may succeed later. */
export function isTransient(error: unknown): error is AppError {
  return error instanceof AppError && ["unavailable", "exhausted", "timeout", "stale"].includes(error.kind);
}

/**
 * Makes an idempotent call, up to five times while it fails for a transient reason; answers what it answers, or fails
 * with the last failure. Stops waiting when `signal` aborts.
 */
export async function retrying<T>(signal: AbortSignal, call: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(attempt);
    } catch (error) {
      if (attempt === maxAttempts || signal.aborted || !isTransient(error)) throw error;
      await sleep(error.retryAfterMs ?? pauseMs, undefined, { signal });
    }
  }
}
