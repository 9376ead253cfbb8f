import { newId, requireInteger } from "@shoal/kernel";
import { type BalancingOptions, defaultBalancingOptions, requireBalancingOptions } from "../balancing/options.ts";

/** How a client's calls are spread over a service's instances, and over the connections to each. */
export interface ClientBalancing extends BalancingOptions {
  /** At most so many connections to one instance, 1 to 100. */
  readonly maxConnections: number;
  /** After how long without calls a connection that is not needed is closed, in milliseconds, 10 to 3,600,000. */
  readonly connectionIdleMs: number;
  /**
   * At most so many calls wait for room on a connection, 0 to 100,000, or as many as connections take that may still be
   * made; further ones fail with RESOURCE_EXHAUSTED.
   */
  readonly maxWaiting: number;
  /** With more instances than this, 1 to 100,000, a client connects to some of them only … */
  readonly subsetAbove: number;
  /** … to so many, 1 to `subsetAbove`, and to the same ones each time. */
  readonly subsetSize: number;
  /** What a client's part of the instances is derived from: unlike that of other clients. */
  readonly clientId: string;
  /** The name of the metadata whose value is the key of `consistent_hash`; empty: the key is the one noted of a call. */
  readonly hashMetadata: string;
}

/**
 * As {@link defaultBalancingOptions}; up to 10 connections to an instance, each closed after 30 seconds without calls unless
 * it is the last; 1,000 waiting calls; of more than 100 instances 25 are used, others by each client.
 */
export const defaultClientBalancing: Omit<ClientBalancing, "clientId"> = Object.freeze({
  ...defaultBalancingOptions,
  maxConnections: 10,
  connectionIdleMs: 30_000,
  maxWaiting: 1_000,
  subsetAbove: 100,
  subsetSize: 25,
  hashMetadata: "",
});

/** What is given, with the defaults for the rest and an id of its own. Throws a `RangeError` for what is out of range. */
export function clientBalancing(given: Partial<ClientBalancing>): ClientBalancing {
  const all = { ...defaultClientBalancing, clientId: newId(), ...given };
  requireBalancingOptions(all);
  requireInteger("maxConnections", all.maxConnections, 1, 100);
  requireInteger("connectionIdleMs", all.connectionIdleMs, 10, 3_600_000);
  requireInteger("maxWaiting", all.maxWaiting, 0, 100_000);
  requireInteger("subsetAbove", all.subsetAbove, 1, 100_000);
  requireInteger("subsetSize", all.subsetSize, 1, all.subsetAbove);
  return all;
}
