import { AppError } from "@shoal/kernel";

/** How long a caller that was refused should stay away, in milliseconds: about as long as a call takes. */
const retryAfterMs = 100;

/**
 * A bulkhead has no place for one more call: `exhausted`, reason BULKHEAD_FULL. The call was not made, so it may be tried
 * again, elsewhere or later.
 */
export function bulkheadFull(name: string, inside: number, waiting: number): AppError {
  return new AppError({
    kind: "exhausted",
    reason: "BULKHEAD_FULL",
    domain: "shoal.resilience",
    message: `${inside} calls to ${name} are under way and ${waiting} wait: try again in ${retryAfterMs} ms`,
    metadata: { bulkhead: name },
    retryAfterMs,
  });
}
