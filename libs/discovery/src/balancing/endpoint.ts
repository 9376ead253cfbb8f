/**
 * What a call says of its endpoint. `neutral`: nothing, such as when its caller cancelled it or was at fault itself.
 */
export type Outcome = "success" | "failure" | "neutral";

/** What is known of an instance before it is called. */
export interface EndpointInit {
  /** Where it takes calls; unlike that of any other endpoint of the set. */
  readonly address: string;
  /** The part of the world that it is in; empty when unknown. */
  readonly zone: string;
  /** Its share of the calls beside the others', above 0. */
  readonly weight: number;
  /** When it began to take calls, in milliseconds since the epoch; 0 when unknown. */
  readonly startedAt: number;
}

/**
 * One instance as one client sees it. A balancer keeps what it learns of it for as long as the object is kept: whoever
 * hands endpoints to a balancer makes one for an instance when it becomes known, and uses it for that balancer alone.
 */
export class Endpoint implements EndpointInit {
  readonly address: string;
  readonly startedAt: number;
  /** May be changed; it counts from the next `update` of the balancer on. */
  zone: string;
  /** May be changed; it counts from the next `update` of the balancer on. */
  weight: number;
  /** The calls that it has not ended, streaming ones among them. Counted by the balancer, read by all. */
  inFlight = 0;
  /** Whether it gets no calls but probes. Set by the balancer, read by all. */
  isEjected = false;
  /** Whether a further call would find room now. May be set; by default there always is some. Must be quick. */
  hasRoom: () => boolean = always;

  constructor(init: EndpointInit) {
    this.address = init.address;
    this.zone = init.zone;
    this.weight = init.weight;
    this.startedAt = init.startedAt;
  }
}

/** What matters of a call when its endpoint is chosen. */
export interface CallTraits {
  /** Whether one side may send many messages: how long such a call takes says nothing of its endpoint. */
  readonly streaming: boolean;
  /** Calls of the same key go to the same endpoint, with the policy `consistent_hash`. */
  readonly hashKey: string | undefined;
}

function always(): boolean {
  return true;
}
