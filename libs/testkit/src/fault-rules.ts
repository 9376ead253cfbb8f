import { isDeepStrictEqual } from "node:util";

/** What happens to a call. Times are in milliseconds. */
export type Fault =
  /** It goes on `latencyMs` later, and up to `jitterMs` more at random: 2,147,483,647 together at most. */
  | { readonly latencyMs: number; readonly jitterMs?: number }
  /** It is answered with this gRPC code, such as UNAVAILABLE. `afterwards`: the callee has done its work by then. */
  | { readonly code: GrpcCode; readonly message?: string; readonly afterwards?: boolean }
  /** Its stream, or the TCP connection with all that is under way on it, is reset. `afterwards`: once the callee answers. */
  | { readonly reset: "stream" | "connection"; readonly afterwards?: boolean }
  /**
   * It is taken and never answered. A rule that names no method befalls connections as a whole, health checks included: new
   * ones get no SETTINGS, and those that stand answer nothing, PING neither, until the rule is gone. Its share
   * is one of connections: calls on those that it spares go on.
   */
  | { readonly blackHole: true };

/** Which calls a fault befalls. */
export interface FaultRule {
  /**
   * `/pkg.Service/Method`, `pkg.Service/*`, or `Method` of any service. Default: all. Health checks (`grpc.health.v1.Health`)
   * are spared unless their service is named. Not the same as `*`, which is about calls alone: see `blackHole`.
   */
  readonly method?: string;
  /** The share of these calls, 0 to 1. Default: 1. */
  readonly share?: number;
  readonly fault: Fault;
}

/** The codes of gRPC by their numbers: https://grpc.io/docs/guides/status-codes/. */
export const grpcCodes = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** The name of a code that says that a call failed. */
export type GrpcCode = Exclude<(typeof grpcCodes)[number], "OK">;

/** The longest time that a timer takes, in milliseconds. */
const maxDelayMs = 2_147_483_647;

/**
 * The rules of `given`, where those that are the same as one of `before` are that very object: who has met it knows it
 * again. Two that are the same stay two.
 */
export function keepRules(before: readonly FaultRule[], given: readonly FaultRule[]): readonly FaultRule[] {
  const left = [...before];
  return given.map((rule) => {
    const at = left.findIndex((one) => isDeepStrictEqual(one, rule));
    return (at < 0 ? undefined : left.splice(at, 1)[0]) ?? rule;
  });
}

/** Reads rules from JSON's values; throws a `RangeError` that says where they are wrong and what is expected there. */
export function parseFaultRules(value: unknown): readonly FaultRule[] {
  if (!Array.isArray(value)) throw new RangeError(`faults must be a list of rules, not ${show(value)}`);
  return value.map((rule, index) => parseRule(rule, `faults[${index}]`));
}

function parseRule(value: unknown, at: string): FaultRule {
  const { method, share, fault, ...rest } = fieldsOf(value, at);
  refuseUnknown(rest, at, "method, share and fault");
  if (method !== undefined && !(typeof method === "string" && /^\/?([\w.]+\/)?(\w+|\*)$/.test(method)))
    throw new RangeError(`${at}.method must be /pkg.Service/Method, pkg.Service/* or Method, not ${show(method)}`);
  if (share !== undefined && !(typeof share === "number" && share >= 0 && share <= 1))
    throw new RangeError(`${at}.share must be a number from 0 to 1, not ${show(share)}`);
  return {
    ...(method !== undefined && { method }),
    ...(share !== undefined && { share }),
    fault: parseFault(fault, `${at}.fault`),
  };
}

function parseFault(value: unknown, at: string): Fault {
  const fields = fieldsOf(value, at);
  if ("latencyMs" in fields) {
    const { latencyMs, jitterMs, ...rest } = fields;
    refuseUnknown(rest, at, "latencyMs and jitterMs");
    requireDuration(latencyMs, `${at}.latencyMs`);
    if (jitterMs === undefined) return { latencyMs };
    requireDuration(jitterMs, `${at}.jitterMs`);
    const longestMs = latencyMs + jitterMs;
    if (longestMs > maxDelayMs)
      throw new RangeError(
        `${at}.latencyMs and jitterMs must be ${maxDelayMs} milliseconds together at most, not ${longestMs}`,
      );
    return { latencyMs, jitterMs };
  }
  if ("code" in fields) {
    const { code, message, afterwards, ...rest } = fields;
    refuseUnknown(rest, at, "code, message and afterwards");
    if (!isGrpcCode(code))
      throw new RangeError(`${at}.code must be one of ${grpcCodes.slice(1).join(", ")}, not ${show(code)}`);
    if (message !== undefined && typeof message !== "string")
      throw new RangeError(`${at}.message must be a text, not ${show(message)}`);
    return { code, ...(message !== undefined && { message }), ...parseAfterwards(afterwards, at) };
  }
  if ("reset" in fields) {
    const { reset, afterwards, ...rest } = fields;
    refuseUnknown(rest, at, "reset and afterwards");
    if (reset !== "stream" && reset !== "connection")
      throw new RangeError(`${at}.reset must be "stream" or "connection", not ${show(reset)}`);
    return { reset, ...parseAfterwards(afterwards, at) };
  }
  if ("blackHole" in fields) {
    const { blackHole, ...rest } = fields;
    refuseUnknown(rest, at, "blackHole");
    if (blackHole !== true) throw new RangeError(`${at}.blackHole must be true, not ${show(blackHole)}`);
    return { blackHole };
  }
  throw new RangeError(`${at} must have latencyMs, code, reset or blackHole, not ${show(value)}`);
}

function parseAfterwards(value: unknown, at: string): { readonly afterwards?: boolean } {
  if (value === undefined) return {};
  if (typeof value === "boolean") return { afterwards: value };
  throw new RangeError(`${at}.afterwards must be true or false, not ${show(value)}`);
}

function fieldsOf(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new RangeError(`${at} must be an object, not ${show(value)}`);
}

function refuseUnknown(rest: object, at: string, known: string): void {
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new RangeError(`${at} has no ${unknown} beside ${known}`);
}

function requireDuration(value: unknown, at: string): asserts value is number {
  if (typeof value === "number" && value >= 0 && value <= maxDelayMs) return;
  throw new RangeError(`${at} must be a number of milliseconds from 0 to ${maxDelayMs}, not ${show(value)}`);
}

function isGrpcCode(value: unknown): value is GrpcCode {
  return value !== "OK" && (grpcCodes as readonly unknown[]).includes(value);
}

function show(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}
