import type { CallTraits } from "../endpoint.ts";
import type { Member } from "../member.ts";

/** A way to choose among endpoints. Knows nothing of zones, of ejection and of how calls end. */
export interface Policy {
  /** From now on it chooses among these; never called while it is choosing. */
  update(members: readonly Member[]): void;
  /**
   * Chooses one for a call, and one that has room if `needsRoom`. Undefined when there is none. The caller counts the
   * call as in flight before it asks again.
   */
  choose(call: CallTraits, now: number, needsRoom: boolean): Member | undefined;
}
