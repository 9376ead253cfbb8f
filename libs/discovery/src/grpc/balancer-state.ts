import type { Endpoint } from "../balancing/endpoint.ts";
import { optionPrefix } from "./resolver.ts";

/**
 * The channel option that holds a `(state: BalancerState) => void`, which is told of the channel's balancer when it gets its
 * first instances; of another one when the channel has rested meanwhile. It must not throw.
 */
export const balancerStateOption = `${optionPrefix}.balancer-state`;

/** What a channel's balancer is at, to be read at any time. One that the channel has given up has no endpoints. */
export interface BalancerState {
  readonly endpoints: Iterable<EndpointState>;
  /** Calls that wait for room on the connections. */
  readonly waiting: number;
}

/** An instance with its connections. */
export interface EndpointState extends Endpoint {
  /** Whether there is a connection. */
  readonly ready: boolean;
  /** How many there are. */
  readonly connections: number;
}
