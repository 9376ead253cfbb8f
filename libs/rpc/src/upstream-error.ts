import { AppError } from "@shoal/kernel";

/**
 * What a caller learns when another service, which its call needs, fails in a way that says nothing about the call itself:
 * UNAVAILABLE (`<SERVICE>_UNAVAILABLE`, of `domain`) when waiting may help, else the failure as an unexpected one. The end of the
 * caller's own call is passed on as it is, and so is what did not come from the other service.
 */
export function upstreamError(service: string, domain: string, error: unknown): unknown {
  if (!(error instanceof AppError)) return error;
  switch (error.kind) {
    case "cancelled":
      return error;
    case "unavailable":
    case "exhausted":
    case "timeout":
      return new AppError({
        kind: "unavailable",
        reason: `${service.toUpperCase()}_UNAVAILABLE`,
        domain,
        message: `the ${service} service cannot answer now; try again later`,
        retryAfterMs: error.retryAfterMs ?? 1_000,
        cause: error,
      });
    default:
      return new Error(`the ${service} service answered ${error.reason}`, { cause: error });
  }
}
