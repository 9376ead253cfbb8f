import { status } from "@grpc/grpc-js";
import type { Outcome } from "../balancing/endpoint.ts";

/**
 * What says that an instance is not well, or has too much to do. All other failures are the caller's own affair, or say
 * what is the case with its data: any instance would have answered the same.
 */
const failures: ReadonlySet<status> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

/** What a call's status says of the instance that it was on. */
export function outcomeOf(code: status): Outcome {
  if (code === status.OK) return "success";
  return failures.has(code) ? "failure" : "neutral";
}
