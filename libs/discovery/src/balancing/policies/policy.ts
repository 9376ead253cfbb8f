import type { CallTraits } from "../endpoint.ts";
import type { Member } from "../member.ts";

/** A way to choose among endpoints. Knows nothing of zones, of ejection and of how calls end. */
export interface Policy {
  /** From now on it chooses among these. When they are the same as before, only their weights may have changed. */
  update(members: readonly Member[]): void;
  /**
   * Chooses one for a call, of those that are eligible: by default all. Undefined when there is none. The caller counts
   * the call as in flight before it asks again.
   */
  choose(call: CallTraits, now: number, isEligible?: Eligible): Member | undefined;
}

/** Which members may be chosen. Must be quick, and do nothing. */
export type Eligible = (member: Member) => boolean;

/** Whether both are the same ones in the same order. */
export function areSame(some: readonly Member[], others: readonly Member[]): boolean {
  return some.length === others.length && some.every((member, index) => member === others[index]);
}
