import { status } from "@grpc/grpc-js";
import type { CallGuard, Endpoint } from "@shoal/discovery";
import type { AppError, Priority } from "@shoal/kernel";
import {
  AdaptiveThrottle,
  type Breaker,
  type BreakerPermit,
  breakerRefusal,
  CircuitBreaker,
  type CircuitEvent,
  type CircuitState,
  type Outcome,
} from "@shoal/resilience";
import type { BreakerPolicy } from "../policy.ts";
import { tell } from "../tell.ts";
import type { OnResilienceEvent } from "./resilience-events.ts";

/**
 * A call whose time was up within this of being sent says nothing of its callee: the time was used up before, in
 * milliseconds.
 */
const tooLittleMs = 10;

/** What says that an instance is not well. All other failures are the caller's own affair, or refusals of one that is well. */
const failures: ReadonlySet<status> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

/** What says to an adaptive throttle that an instance did not take a call. */
const notTaken: ReadonlySet<status> = new Set([status.RESOURCE_EXHAUSTED, status.UNAVAILABLE]);

/**
 * What a call's end says to a breaker of its callee. For a circuit breaker UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE
 * and DATA_LOSS are failures; one that refuses because it has too much to do (RESOURCE_EXHAUSTED) is well. For an adaptive
 * throttle that and UNAVAILABLE are calls not taken. Everything else but OK is neutral; so is a deadline that passed within
 * 10 ms of when the call was sent.
 */
export function breakerOutcomeOf(kind: BreakerPolicy["kind"], code: status, tookMs: number): Outcome {
  if (code === status.OK) return "success";
  if (code === status.DEADLINE_EXCEEDED && tookMs < tooLittleMs) return "neutral";
  return (kind === "throttle" ? notTaken : failures).has(code) ? "failure" : "neutral";
}

/** A breaker by its policy. Throws a `RangeError` for options out of range. */
export function createBreaker(policy: BreakerPolicy, onEvent?: (event: CircuitEvent) => void): Breaker {
  if (policy.kind === "throttle") return new AdaptiveThrottle(policy.options);
  return new CircuitBreaker(onEvent === undefined ? policy.options : { ...policy.options, onEvent });
}

/**
 * The breakers of one method of a client, one for each instance, made when first needed and kept as long as the instance is
 * known. Adaptive throttles are one for each instance and priority: what is sheddable is refused long before what is
 * critical. A policy that changes begins with new breakers.
 */
export class MethodBreakers {
  readonly #path: string;
  readonly #onEvent: OnResilienceEvent | undefined;
  /** By policy: calls of the one before may still be under way when there is another one. */
  readonly #guards = new WeakMap<BreakerPolicy, Readonly<Record<Priority, PolicyGuard>>>();

  constructor(path: string, onEvent: OnResilienceEvent | undefined) {
    this.#path = path;
    this.#onEvent = onEvent;
  }

  /** What lets calls of a priority through, by the method's policy as it is now; `undefined` where there is no breaker. */
  guardOf(policy: BreakerPolicy | undefined, priority: Priority): PolicyGuard | undefined {
    if (policy === undefined) return undefined;
    let guards = this.#guards.get(policy);
    if (guards === undefined) {
      guards = this.#guardsOf(policy);
      this.#guards.set(policy, guards);
    }
    return guards[priority];
  }

  /** The states of those circuit breakers that there are for some instances, by the method's policy as it is now. */
  statesOf(policy: BreakerPolicy | undefined, endpoints: Iterable<Endpoint>): CircuitState["kind"][] {
    const guard = policy && this.#guards.get(policy)?.default;
    return guard === undefined ? [] : [...endpoints].flatMap((endpoint) => guard.stateOf(endpoint) ?? []);
  }

  #guardsOf(policy: BreakerPolicy): Readonly<Record<Priority, PolicyGuard>> {
    const guard = () => new PolicyGuard(policy, this.#path, this.#onEvent);
    if (policy.kind === "throttle") return { critical: guard(), default: guard(), sheddable: guard() };
    const one = guard();
    return { critical: one, default: one, sheddable: one };
  }
}

/** The breakers of one method and policy, one for each instance. */
export class PolicyGuard implements CallGuard {
  readonly #policy: BreakerPolicy;
  readonly #path: string;
  readonly #onEvent: OnResilienceEvent | undefined;
  readonly #breakers = new WeakMap<Endpoint, Breaker>();

  constructor(policy: BreakerPolicy, path: string, onEvent: OnResilienceEvent | undefined) {
    this.#policy = policy;
    this.#path = path;
    this.#onEvent = onEvent;
  }

  mayAdmit(endpoint: Endpoint): boolean {
    // A throttle refuses by chance: it has to be asked.
    return this.#policy.kind === "throttle" || this.closedForMs(endpoint) === 0;
  }

  closedForMs(endpoint: Endpoint): number {
    return this.#breakers.get(endpoint)?.retryAfterMs ?? 0;
  }

  /** The state of its circuit breaker for an instance, if there is one. */
  stateOf(endpoint: Endpoint): CircuitState["kind"] | undefined {
    const breaker = this.#breakers.get(endpoint);
    return breaker instanceof CircuitBreaker ? breaker.state.kind : undefined;
  }

  admit(endpoint: Endpoint): BreakerPermit | undefined {
    return (this.#breakers.get(endpoint) ?? this.#create(endpoint)).tryAcquire();
  }

  ended(permit: BreakerPermit, code: status, tookMs: number): void {
    permit.end(breakerOutcomeOf(this.#policy.kind, code, tookMs));
  }

  /** The error of a call that has been refused, where calls are let through again in so many milliseconds. */
  refusal(retryAfterMs: number): AppError {
    const reason = this.#policy.kind === "throttle" ? "THROTTLED" : "CIRCUIT_OPEN";
    return breakerRefusal({ reason, retryAfterMs, tryAcquire: () => undefined }, this.#path);
  }

  #create(endpoint: Endpoint): Breaker {
    const onEvent = this.#onEvent;
    const breaker = createBreaker(
      this.#policy,
      onEvent &&
        (({ from, to, why }) =>
          tell(onEvent, { type: "breaker", path: this.#path, instance: endpoint.address, from, to, why })),
    );
    this.#breakers.set(endpoint, breaker);
    return breaker;
  }
}
