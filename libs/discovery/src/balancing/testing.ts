import { randomFrom } from "@shoal/kernel";
import { Balancer } from "./balancer.ts";
import { Endpoint, type EndpointInit } from "./endpoint.ts";
import type { BalancingOptions } from "./options.ts";

/** An endpoint of no zone, of weight 100, that began to take calls nobody knows when. */
export function endpoint(address: string, init: Partial<EndpointInit> = {}): Endpoint {
  return new Endpoint({ address, zone: "", weight: 100, startedAt: 0, ...init });
}

/** So many endpoints, `a0` and on. */
export function endpoints(count: number, init: Partial<EndpointInit> = {}): readonly Endpoint[] {
  return Array.from({ length: count }, (_, index) => endpoint(`a${index}`, init));
}

/** A balancer whose time is `clock.now`, from 1,000,000 on. */
export function balancerOf(options: Partial<BalancingOptions>, seed = 1) {
  const clock = { now: 1_000_000 };
  return { clock, balancer: new Balancer(options, () => clock.now, randomFrom(seed)) };
}

/** Calls without a key: one that has one answer, and a stream. */
export const unary = Object.freeze({ streaming: false, hashKey: undefined });
export const stream = Object.freeze({ streaming: true, hashKey: undefined });
