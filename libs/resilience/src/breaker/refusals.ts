import { AppError } from "@shoal/kernel";
import type { Breaker } from "./breaker.ts";

const domain = "shoal.resilience";

/**
 * The error for a caller whom `breaker` has just refused: `unavailable`, with the breaker's reason, and when to come again.
 * `callee` names what is not called: `the inventory service`.
 */
export function breakerRefusal(breaker: Breaker, callee: string): AppError {
  const reason = breaker.reason ?? "CIRCUIT_OPEN";
  const message = `calls to ${callee} are held back for now, as too many have failed; try again later`;
  return new AppError({ kind: "unavailable", reason, domain, message, retryAfterMs: Math.ceil(breaker.retryAfterMs) });
}
