import { type DescMethod, type DescService, fromJson, getOption, hasOption, type JsonValue } from "@bufbuild/protobuf";
import { durationMs, MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code } from "@shoal/contracts/google/rpc/code";
import {
  defaults as defaultsOption,
  MethodPolicySchema,
  method as methodOption,
  type MethodPolicy as PolicyMessage,
  Priority as PriorityProto,
  RateLimitAlgorithm,
  RateLimitKey,
  type RateLimitPolicy as RateLimitMessage,
} from "@shoal/contracts/policy/v1/policy";
import type { Priority } from "@shoal/kernel";
import type { AdaptiveThrottleSettings, CircuitBreakerSettings } from "@shoal/resilience";
import { requireValid } from "./validation.ts";

/** Attempts one after the other; pauses are chosen at random below a bound that grows (gRPC proposal A6). */
export interface RetryPolicy {
  /** All attempts together, 2 to 5. */
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly backoffMultiplier: number;
  /** Names of gRPC codes after which another attempt is made. */
  readonly codes: readonly string[];
}

/** Attempts side by side; the first answer counts and the others are cancelled (gRPC proposal A6). */
export interface HedgingPolicy {
  /** All attempts together, 2 to 5. */
  readonly maxAttempts: number;
  /** How long an attempt may run before the next one is begun. */
  readonly delayMs: number;
  /** Names of gRPC codes that do not end the call while other attempts may still succeed. */
  readonly nonFatalCodes: readonly string[];
}

/** When a client stops sending calls to an instance that does not answer them well; what is left out is as by default. */
export type BreakerPolicy =
  | { readonly kind: "circuit"; readonly options: Partial<CircuitBreakerSettings> }
  | { readonly kind: "throttle"; readonly options: Partial<AdaptiveThrottleSettings> };

/** So many calls in a time. */
export interface RateLimitPolicy {
  readonly callsPerSecond: number;
  readonly burst: number;
  /** Whose calls are counted together: all, those of one caller (as known, else its address), or of one network address. */
  readonly key: "everybody" | "caller" | "address";
  readonly algorithm: "token_bucket" | "leaky_bucket" | "sliding_window";
}

/** How a method wants to be called, defaults filled in. */
export interface MethodPolicy {
  /** How long a client waits for the whole call; `Infinity` for a stream that says nothing else. */
  readonly timeoutMs: number;
  readonly retry: RetryPolicy | undefined;
  readonly hedging: HedgingPolicy | undefined;
  readonly priority: Priority;
  readonly maxRequestBytes: number;
  readonly maxResponseBytes: number;
  /** The scopes that a caller must have; `undefined` where anybody may call. */
  readonly scopes: readonly string[] | undefined;
  /** What stands before each instance, in its clients; `undefined` for nothing. */
  readonly breaker: BreakerPolicy | undefined;
  /** How many calls each instance takes: all of these hold. */
  readonly rateLimits: readonly RateLimitPolicy[];
}

const circuitBreaker: BreakerPolicy = Object.freeze({ kind: "circuit", options: Object.freeze({}) });

/** 5 seconds for unary calls, no retry, messages up to 4 MiB, anybody may call, as often as they like; a circuit breaker. */
export const defaultMethodPolicy: MethodPolicy = Object.freeze({
  timeoutMs: 5_000,
  retry: undefined,
  hedging: undefined,
  priority: "default",
  maxRequestBytes: 4 * 1024 * 1024,
  maxResponseBytes: 4 * 1024 * 1024,
  scopes: undefined,
  breaker: circuitBreaker,
  rateLimits: Object.freeze([]),
});

/** What a deployment sets otherwise than the contract, by `/package.Service/Method`. */
export type PolicyOverrides = Readonly<Record<string, Partial<MethodPolicy>>>;

/**
 * Overrides from text, as a setting holds them: a JSON object with a policy by path, each as protobuf writes a
 * `shoal.policy.v1.MethodPolicy` in JSON: `{"/shoal.user.v1.UserService/GetUser": {"timeout": "0.5s"}}`. What a policy
 * leaves out stays as the contract has it. Throws an `Error` that says what is wrong.
 */
export function parsePolicies(text: string): PolicyOverrides {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error("must be JSON");
  }
  if (json === null || typeof json !== "object" || Array.isArray(json))
    throw new Error('must be a JSON object: {"/package.Service/Method": {"timeout": "2s"}}');
  return Object.fromEntries(Object.entries(json).map(([path, value]) => [path, parsePolicy(path, value)]));
}

function parsePolicy(path: string, json: JsonValue): Partial<MethodPolicy> {
  if (!/^\/[\w.]+\/\w+$/.test(path)) throw new Error(`"${path}" is not of the form /package.Service/Method`);
  let policy: PolicyMessage;
  try {
    policy = fromJson(MethodPolicySchema, json);
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const { timeout, attempts, priority, maxRequestBytes, maxResponseBytes, authorization } = checked(path, policy);
  const { breaker, rateLimits } = policy;
  return {
    ...(timeout && { timeoutMs: durationMs(timeout) }),
    ...(attempts.case && attemptsOf(policy)),
    ...(priority && { priority: priorities[priority] }),
    ...(maxRequestBytes && { maxRequestBytes }),
    ...(maxResponseBytes && { maxResponseBytes }),
    ...(authorization && { scopes: authorization.scopes }),
    ...(breaker.case && { breaker: breakerOf(policy) }),
    ...(rateLimits.length > 0 && { rateLimits: rateLimits.map(rateLimitOf) }),
  };
}

/** A method's path as gRPC sends it. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/**
 * The policies of a service's methods by path: what the contract says, with `overrides` over it. Throws an `Error` that
 * names the method for a policy that breaks its rules, and for attempts that a method does not allow: it must say by its
 * `idempotency_level` that it may be repeated. Overrides of methods of other services are left alone.
 */
export function policiesOf(service: DescService, overrides: PolicyOverrides = {}): ReadonlyMap<string, MethodPolicy> {
  const policies = service.methods.map((method) => {
    const path = pathOf(method);
    const policy = { ...inContract(method), ...overrides[path] };
    requireRepeatable(method, policy);
    return [path, policy] as const;
  });
  const known = new Map(policies);
  for (const path of Object.keys(overrides))
    if (path.startsWith(`/${service.typeName}/`) && !known.has(path))
      throw new Error(`there is no method ${path} whose policy could be overridden`);
  return known;
}

/**
 * The most that any of `policies` allows: grpc-js has one limit a channel or server, which stays as it begins. Throws an
 * `Error` that names the method for more than `most`, what it began with.
 */
export function requireWithin(
  policies: ReadonlyMap<string, MethodPolicy>,
  limit: "maxRequestBytes" | "maxResponseBytes",
  most: number | undefined,
): number {
  for (const [path, policy] of policies)
    if (policy[limit] > (most ?? Number.POSITIVE_INFINITY))
      throw new Error(`${path}: ${limit} cannot be raised above ${most} while it runs; restart it for that`);
  return most ?? largest(policies, limit);
}

/** The most that any of `policies` allows. */
export function largest(
  policies: ReadonlyMap<string, MethodPolicy>,
  limit: "maxRequestBytes" | "maxResponseBytes",
): number {
  return Math.max(0, ...[...policies.values()].map((policy) => policy[limit]));
}

function inContract(method: DescMethod): MethodPolicy {
  const { parent } = method;
  const own = hasOption(method, methodOption) ? checked(pathOf(method), getOption(method, methodOption)) : undefined;
  const shared = hasOption(parent, defaultsOption)
    ? checked(pathOf(method), getOption(parent, defaultsOption))
    : undefined;
  const streams = method.methodKind !== "unary";
  const attempts =
    own?.attempts.case === undefined && shared !== undefined && isRepeatable(method)
      ? attemptsOf(shared)
      : attemptsOf(own);
  const timeout = own?.timeout ?? (streams ? undefined : shared?.timeout);
  return {
    ...attempts,
    timeoutMs: timeout ? durationMs(timeout) : streams ? Number.POSITIVE_INFINITY : defaultMethodPolicy.timeoutMs,
    priority: priorities[own?.priority || shared?.priority || PriorityProto.UNSPECIFIED],
    maxRequestBytes: own?.maxRequestBytes || shared?.maxRequestBytes || defaultMethodPolicy.maxRequestBytes,
    maxResponseBytes: own?.maxResponseBytes || shared?.maxResponseBytes || defaultMethodPolicy.maxResponseBytes,
    scopes: (own?.authorization ?? shared?.authorization)?.scopes,
    breaker: breakerOf(own?.breaker.case === undefined ? shared : own),
    rateLimits: (own?.rateLimits.length ? own : shared)?.rateLimits.map(rateLimitOf) ?? defaultMethodPolicy.rateLimits,
  };
}

function checked(path: string, policy: PolicyMessage): PolicyMessage {
  try {
    requireValid(MethodPolicySchema, policy, "shoal.policy");
    return policy;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`the policy of ${path} breaks its rules: ${why}`, { cause: error });
  }
}

function attemptsOf(policy: PolicyMessage | undefined): Pick<MethodPolicy, "retry" | "hedging"> {
  const attempts = policy?.attempts;
  if (attempts?.case === "retry") {
    const { maxAttempts, initialBackoff, maxBackoff, backoffMultiplier, codes } = attempts.value;
    const retry = {
      maxAttempts,
      initialBackoffMs: durationMs(required(initialBackoff)),
      maxBackoffMs: durationMs(required(maxBackoff)),
      backoffMultiplier,
      codes: codes.map(nameOf),
    };
    return { retry, hedging: undefined };
  }
  if (attempts?.case === "hedging") {
    const { maxAttempts, delay, nonFatalCodes } = attempts.value;
    const hedging = { maxAttempts, delayMs: durationMs(required(delay)), nonFatalCodes: nonFatalCodes.map(nameOf) };
    return { retry: undefined, hedging };
  }
  return { retry: undefined, hedging: undefined };
}

function breakerOf(policy: PolicyMessage | undefined): BreakerPolicy | undefined {
  const breaker = policy?.breaker;
  switch (breaker?.case) {
    case undefined:
      return circuitBreaker;
    case "noBreaker":
      return undefined;
    case "throttle": {
      const { windowTime, multiplier } = breaker.value;
      return {
        kind: "throttle",
        options: { ...(windowTime && { windowMs: durationMs(windowTime) }), ...(multiplier && { multiplier }) },
      };
    }
    case "circuitBreaker": {
      const { window, failureRate, slowCallTime, slowCallRate, minCalls, openTime, probes } = breaker.value;
      return {
        kind: "circuit",
        options: {
          ...(window.case === "windowCalls" && { window: { kind: "count", calls: window.value } }),
          ...(window.case === "windowTime" && { window: { kind: "time", ms: durationMs(window.value) } }),
          ...(failureRate && { failureRate }),
          ...(slowCallTime && { slowCallMs: durationMs(slowCallTime) }),
          ...(slowCallRate && { slowRate: slowCallRate }),
          ...(minCalls && { minimumCalls: minCalls }),
          ...(openTime && { openMs: durationMs(openTime) }),
          ...(probes && { probes }),
        },
      };
    }
  }
}

function rateLimitOf({ callsPerSecond, burst, key, algorithm }: RateLimitMessage): RateLimitPolicy {
  return {
    callsPerSecond,
    burst: burst || Math.max(1, Math.floor(callsPerSecond)),
    key: rateLimitKeys[key],
    algorithm: rateLimitAlgorithms[algorithm],
  };
}

const rateLimitKeys: Readonly<Record<RateLimitKey, RateLimitPolicy["key"]>> = {
  [RateLimitKey.UNSPECIFIED]: "everybody",
  [RateLimitKey.EVERYBODY]: "everybody",
  [RateLimitKey.CALLER]: "caller",
  [RateLimitKey.ADDRESS]: "address",
};

const rateLimitAlgorithms: Readonly<Record<RateLimitAlgorithm, RateLimitPolicy["algorithm"]>> = {
  [RateLimitAlgorithm.UNSPECIFIED]: "token_bucket",
  [RateLimitAlgorithm.TOKEN_BUCKET]: "token_bucket",
  [RateLimitAlgorithm.LEAKY_BUCKET]: "leaky_bucket",
  [RateLimitAlgorithm.SLIDING_WINDOW]: "sliding_window",
};

const priorities: Readonly<Record<PriorityProto, Priority>> = {
  [PriorityProto.UNSPECIFIED]: "default",
  [PriorityProto.CRITICAL]: "critical",
  [PriorityProto.DEFAULT]: "default",
  [PriorityProto.SHEDDABLE]: "sheddable",
};

function requireRepeatable(method: DescMethod, { retry, hedging }: MethodPolicy): void {
  if (retry === undefined && hedging === undefined) return;
  const what = retry === undefined ? "hedged" : "retried";
  if (retry !== undefined && hedging !== undefined)
    throw new Error(`${pathOf(method)} is to be retried and hedged; a call is one or the other`);
  if (isRepeatable(method)) return;
  if (method.idempotency === Idempotency.IDEMPOTENCY_UNKNOWN)
    throw new Error(
      `${pathOf(method)} is to be ${what}, but its contract does not say that it may be repeated; ` +
        "set its idempotency_level to IDEMPOTENT or NO_SIDE_EFFECTS if it may",
    );
  throw new Error(`${pathOf(method)} is to be ${what}, but a stream of requests cannot be sent twice`);
}

/** Whether a method says that it may be repeated, and has a request that can be sent again. */
function isRepeatable({ idempotency, methodKind }: DescMethod): boolean {
  return (
    idempotency !== Idempotency.IDEMPOTENCY_UNKNOWN && (methodKind === "unary" || methodKind === "server_streaming")
  );
}

function nameOf(code: Code): string {
  return Code[code] ?? String(code);
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError("the rules of the policy require this field");
  return value;
}
