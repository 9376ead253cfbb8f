import type { AppError, ErrorKind } from "@shoal/kernel";

const passing: ReadonlySet<ErrorKind> = new Set([
  "unavailable",
  "exhausted",
  "timeout",
  "stale",
  "internal",
  "cancelled",
]);

/** Whether what failed so may go well the next time. */
export function isPassing({ kind }: AppError): boolean {
  return passing.has(kind);
}

/**
 * Whether a service has answered with a fault of its own, which it must not have whatever else crashes. One that is killed in the
 * midst of an answer is away, and not at fault.
 */
export function isFault({ kind }: AppError): boolean {
  return kind === "internal";
}
