import type { Metadata, status } from "@grpc/grpc-js";
import type { BreakerPermit } from "@shoal/resilience";
import type { CallTraits, Endpoint } from "../balancing/endpoint.ts";

/** Who says which instances the calls of a method may go to: a client's breakers. */
export interface CallGuard {
  /** Whether it is worth asking for leave to call `endpoint`. Changes nothing. */
  mayAdmit(endpoint: Endpoint): boolean;
  /** How long a call that was refused should wait for `endpoint`, in milliseconds. Changes nothing. */
  closedForMs(endpoint: Endpoint): number;
  /** Leave for one call to `endpoint`; `undefined` when it is refused. */
  admit(endpoint: Endpoint): BreakerPermit | undefined;
  /** The call that got the permit has ended so, `tookMs` after it was sent. */
  ended(permit: BreakerPermit, code: status, tookMs: number): void;
}

/** One attempt of a call: what the pick should know of it, and where it notes what it has done. */
export interface BalancedCall extends CallTraits {
  /** Asked before an instance is called; `undefined`: every instance may be. */
  readonly guard: CallGuard | undefined;
  /** Instances that get it only when no other can: attempts of the same call have been there. */
  readonly avoid: readonly Endpoint[] | undefined;
  /** Where it went; set by the pick. */
  endpoint: Endpoint | undefined;
  /** The guard's leave for it; set by the pick, which ends it with the call unless it has been ended before. */
  permit: BreakerPermit | undefined;
  /**
   * Set by the pick when the guard has refused the call: for all instances, or for five that were asked one after the other.
   * How long it is until one of those that refuse may be called, in milliseconds.
   */
  refusedForMs: number | undefined;
  /** Set by the pick when too many calls wait for room already: this one fails, and no instance has heard of it. */
  turnedAway: boolean;
}

/** Where a call's traits are kept: grpc-js hands the options of its metadata on to the pick, and sends nothing of them. */
const key = Symbol("shoal.call-traits");

/** Notes what balancing should know of the call that `metadata` is for. Nothing of it goes over the wire. */
export function setCallTraits(metadata: Metadata, traits: BalancedCall): void {
  metadata.setOptions({ ...metadata.getOptions(), [key]: traits } as object);
}

/** What {@link setCallTraits} noted, if anything. */
export function callTraitsOf(metadata: Metadata): BalancedCall | undefined {
  return (metadata.getOptions() as { [key]?: BalancedCall })[key];
}
