import { AppError, isAppError } from "@shoal/kernel";
import { upstreamError as generally } from "@shoal/rpc";
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
 * What a caller of the order service learns when a service behind it fails in a way that says nothing about the order: what
 * @shoal/rpc makes of that, or RESOURCE_EXHAUSTED where waiting helps, and for one product only.
 */
export function upstreamError(service: "user" | "inventory", error: unknown): unknown {
  return isAppError(error, "PRODUCTS_BUSY") ? productsBusy(error) : generally(service, domain, error);
}
