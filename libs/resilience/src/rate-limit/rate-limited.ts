import { AppError } from "@shoal/kernel";

/**
 * A limit has refused a call: `exhausted`, reason RATE_LIMITED. `limit` names it for people, such as `calls of one user`;
 * `waitMs` is what the limit answered, and goes out as RetryInfo. With `Infinity` no retry is proposed, since none helps.
 */
export function rateLimited(limit: string, waitMs: number): AppError {
  const init = { kind: "exhausted", reason: "RATE_LIMITED", domain: "shoal.resilience", metadata: { limit } } as const;
  if (waitMs === Number.POSITIVE_INFINITY)
    return new AppError({ ...init, message: `more at once than the limit of ${limit} ever allows: ask for less` });
  const retryAfterMs = Math.ceil(waitMs);
  return new AppError({
    ...init,
    message: `the limit of ${limit} is reached: try again in ${retryAfterMs} ms`,
    retryAfterMs,
  });
}
