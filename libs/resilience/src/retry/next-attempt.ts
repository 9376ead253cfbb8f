import { type BackoffBounds, jitteredBackoffMs } from "./backoff.ts";
import type { RetryBudget } from "./retry-budget.ts";

/** What may be repeated how often, as the contract of a method has it. */
export interface RetryRules extends BackoffBounds {
  /** All attempts together, from 1. */
  readonly maxAttempts: number;
  /** After which codes another attempt is made: names such as `UNAVAILABLE`. */
  readonly codes: readonly string[];
}

/** An attempt that has failed, and what is known about making another one. */
export interface FailedAttempt {
  readonly policy: RetryRules;
  /** How many attempts have been made, this one included: from 1. */
  readonly attempt: number;
  /** The name of the code that it failed with, such as `UNAVAILABLE`. */
  readonly code: string;
  /**
   * What the callee says of repeating, as in the metadata `grpc-retry-pushback-ms`: after so many milliseconds exactly; below
   * 0 or `NaN`, not at all.
   */
  readonly pushbackMs?: number | undefined;
  /** How long the callee wants callers to wait at least, as in google.rpc.RetryInfo; the pause comes on top. */
  readonly retryAfterMs?: number | undefined;
  /** When the caller stops waiting, by the clock of `now`; `Infinity` when it waits for ever. */
  readonly deadline: number;
  readonly now: number;
  /** Takes the failure into account, and can refuse. */
  readonly budget?: RetryBudget | undefined;
  /** From 0 to below 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/**
 * What to do after a failed attempt: wait so long and try again, or give up, because
 *
 * - `code`: the policy does not repeat after this code
 * - `attempts`: all that the policy allows have been made
 * - `pushback`: the callee says not to
 * - `budget`: too many calls to the callee fail
 * - `deadline`: the wait would pass the caller's deadline
 */
export type RetryDecision =
  | { readonly retry: true; readonly waitMs: number }
  | { readonly retry: false; readonly why: "code" | "attempts" | "pushback" | "budget" | "deadline" };

/**
 * Decides what to do after a failed attempt, by the rules of gRPC's proposal A6, and takes the failure from the budget: once
 * for each failed attempt, the last one of a call included, so call it for each. (Whoever calls it says
 * `budget.recordSuccess()` for those that succeed.)
 *
 * It differs from A6 in two things: a wait that the caller's deadline does not outlast is not begun; and after a pushback
 * pauses go on growing, rather than begin anew, for whoever pushes back has too much to do already.
 */
export function nextAttempt(failed: FailedAttempt): RetryDecision {
  const { policy, attempt, code, pushbackMs, budget } = failed;
  const forbidden = pushbackMs !== undefined && !(pushbackMs >= 0);
  const repeatable = policy.codes.includes(code);
  if (repeatable || forbidden) budget?.recordFailure();
  if (!repeatable) return giveUp("code");
  if (attempt >= policy.maxAttempts) return giveUp("attempts");
  if (forbidden) return giveUp("pushback");
  if (budget?.allows === false) return giveUp("budget");
  const waitMs = pushbackMs ?? (failed.retryAfterMs ?? 0) + jitteredBackoffMs(attempt, policy, failed.random);
  return failed.now + waitMs < failed.deadline ? { retry: true, waitMs } : giveUp("deadline");
}

function giveUp(why: Extract<RetryDecision, { retry: false }>["why"]): RetryDecision {
  return { retry: false, why };
}
