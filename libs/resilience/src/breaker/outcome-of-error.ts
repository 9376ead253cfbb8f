import { AppError, type ErrorKind } from "@shoal/kernel";
import type { Outcome } from "../outcome.ts";

/**
 * What an error says of the callee. Exhaustive: a new kind does not compile without a row. What the caller did or asked for
 * is neutral, and so is its giving up. A callee that refuses for a limit of its own is well, and answers fast.
 */
const outcomeOfKind: Readonly<Record<ErrorKind, Outcome>> = {
  invalid: "neutral",
  missing: "neutral",
  duplicate: "neutral",
  precondition: "neutral",
  stale: "neutral",
  exhausted: "neutral",
  unavailable: "failure",
  unauthenticated: "neutral",
  forbidden: "neutral",
  cancelled: "neutral",
  timeout: "failure",
  unimplemented: "neutral",
  internal: "failure",
};

/**
 * What an error that a call ended with says of the callee: by the kind of an `AppError`; an `AbortError` is the caller's
 * giving up, so neutral; anything else is a failure. `whenExhausted` says what the kind `exhausted` is: nothing for a circuit
 * breaker, and a failure for an adaptive throttle, which is to send less then. Default: `neutral`.
 */
export function outcomeOfError(error: unknown, whenExhausted: Outcome = "neutral"): Outcome {
  if (error instanceof AppError) return error.kind === "exhausted" ? whenExhausted : outcomeOfKind[error.kind];
  return error instanceof Error && error.name === "AbortError" ? "neutral" : "failure";
}
