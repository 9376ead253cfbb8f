import { AppError } from "@shoal/kernel";
import { domain } from "../domain/order.ts";

/** RESOURCE_EXHAUSTED: somebody else keeps a product locked at the inventory, and nothing is known of it. */
const productsBusy = (cause: AppError): AppError =>
  new AppError({
    kind: "exhausted",
    reason: "PRODUCTS_BUSY",
    domain,
    message: cause.message,
    retryAfterMs: 1_000,
    cause,
  });

/**
 * What a caller of the order service learns when a service behind it fails in a way that says nothing about the order:
 * UNAVAILABLE when waiting may help, or RESOURCE_EXHAUSTED where that is for one product only; else the failure as an
 * unexpected one. The end of the caller's own call is passed on as it is.
 */
export function upstreamError(service: "user" | "inventory", error: unknown): unknown {
  if (!(error instanceof AppError)) return error;
  if (error.reason === "PRODUCTS_BUSY") return productsBusy(error);
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
