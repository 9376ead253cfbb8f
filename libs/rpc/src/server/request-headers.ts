import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { maxDelayMs } from "@shoal/kernel";

/** The longest timeout that a timer can hold (24.8 days), in whole hours. */
const longestTimeout = "596H";

/** Stands in the headers of a call whose timeout cannot be read. Such a call is refused. */
export const malformedTimeout = "x-shoal-malformed-timeout";

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/**
 * Brings a call's headers into a form that grpc-js takes rightly; answers the headers that refuse what is no call of gRPC.
 *
 * - The method: grpc-js takes any. All but POST is refused with 405.
 * - `content-type`: grpc-js takes whatever begins with `application/grpc`. All but gRPC with protobuf messages is refused
 *   with 415.
 * - `grpc-timeout`: grpc-js reads the value into 32 bits, so that long timeouts end a call at once, and takes white space.
 *   Timeouts beyond what timers hold become the longest one; what is not gRPC's syntax (1 to 8 digits and a unit) becomes
 *   {@link malformedTimeout}.
 */
export function tidyRequestHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders | undefined {
  if (headers[":method"] !== "POST") return { ":status": 405 };
  const type = headers["content-type"];
  if (type !== "application/grpc" && !/^application\/grpc(\+proto)?(\s*;.*)?$/.test(type ?? ""))
    return { ":status": 415 };
  if (headers[malformedTimeout] !== undefined) delete headers[malformedTimeout];
  const timeout = headers["grpc-timeout"];
  if (timeout !== undefined) tidyTimeout(headers, String(timeout));
  return undefined;
}

function tidyTimeout(headers: IncomingHttpHeaders, timeout: string): void {
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(timeout) ?? [];
  if (digits === undefined) {
    delete headers["grpc-timeout"];
    headers[malformedTimeout] = "1";
  } else if (Number(digits) * (unitMs[unit] ?? 0) > maxDelayMs) headers["grpc-timeout"] = longestTimeout;
}
