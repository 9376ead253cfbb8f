import { isDeepStrictEqual } from "node:util";
import type { DescService } from "@bufbuild/protobuf";
import { type MethodPolicy, type PolicyOverrides, policiesOf } from "./policy.ts";

/** The policy of one method as it is now: read it anew for each call. */
export interface LivePolicy {
  readonly current: MethodPolicy;
}

/** The policies of the methods of some services as they are now, for whoever keeps to them. It is closed by its user. */
export interface LivePolicyTable {
  /** By path; always the same object for a path. */
  readonly policies: ReadonlyMap<string, LivePolicy>;
  /** Ends its changes. */
  close(): void;
}

/** Says by an `Error` why these policies, by path, cannot be used; it names the method. */
export type PolicyCheck = (policies: ReadonlyMap<string, MethodPolicy>) => void;

interface User {
  readonly services: readonly DescService[];
  readonly boxes: ReadonlyMap<string, { current: MethodPolicy }>;
  readonly check: PolicyCheck;
}

/**
 * What a deployment sets otherwise than the contracts, and may change while clients and servers work by it: the calls that
 * begin afterwards go by the change. Holds nothing that must be closed; those that use it leave it when they end.
 */
export class LivePolicies {
  readonly #users = new Set<User>();
  #overrides: PolicyOverrides;

  constructor(overrides: PolicyOverrides = {}) {
    this.#overrides = overrides;
  }

  /** What is set now. */
  get overrides(): PolicyOverrides {
    return this.#overrides;
  }

  /**
   * Sets `overrides` in place of what was set. Throws the `Error` of whoever cannot use them, which names the method;
   * nothing changes then, for anybody.
   */
  replace(overrides: PolicyOverrides): void {
    const changes = [...this.#users].map((user) => {
      const policies = policiesOfAll(user.services, overrides);
      user.check(policies);
      return { user, policies };
    });
    this.#overrides = overrides;
    for (const { user, policies } of changes)
      for (const [path, policy] of policies) {
        const box = user.boxes.get(path);
        if (box !== undefined) box.current = unlessEqual(box.current, policy);
      }
  }

  /** The policies of `services`, from now on. Throws an `Error` that names the method for what cannot be used. */
  use(services: readonly DescService[], check: PolicyCheck): LivePolicyTable {
    const policies = policiesOfAll(services, this.#overrides);
    check(policies);
    const boxes = new Map([...policies].map(([path, current]) => [path, { current }]));
    const user = { services, boxes, check };
    this.#users.add(user);
    return { policies: boxes, close: () => void this.#users.delete(user) };
  }
}

/** What is given as it may change, or as it stays. */
export function livePolicies(given: PolicyOverrides | LivePolicies | undefined): LivePolicies {
  return given instanceof LivePolicies ? given : new LivePolicies(given);
}

function policiesOfAll(services: readonly DescService[], overrides: PolicyOverrides): Map<string, MethodPolicy> {
  return new Map(services.flatMap((service) => [...policiesOf(service, overrides)]));
}

/** What stays as it was stays the same object, so that what is counted by it goes on. */
function unlessEqual(before: MethodPolicy, after: MethodPolicy): MethodPolicy {
  if (isDeepStrictEqual(before, after)) return before;
  const same = <K extends "breaker" | "rateLimits">(key: K) =>
    isDeepStrictEqual(before[key], after[key]) ? { [key]: before[key] } : {};
  return { ...after, ...same("breaker"), ...same("rateLimits") };
}
