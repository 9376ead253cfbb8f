import type { CallTraits } from "../endpoint.ts";
import type { Member } from "../member.ts";
import type { Policy } from "./policy.ts";

/** What a call would cost on a member, in any unit: the cheaper of two gets it. */
export type Cost = (member: Member, now: number) => number;

/** How often two are drawn before all are looked at. */
const maxDraws = 3;

/**
 * The cheaper of two drawn at random: nearly as even as the cheapest of all, at a cost that does not grow with their
 * number, and without sending every client to the same one.
 *
 * M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, IEEE TPDS 12(10), 2001.
 */
export class TwoChoices implements Policy {
  readonly #cost: Cost;
  readonly #random: () => number;
  #members: readonly Member[] = [];

  constructor(cost: Cost, random: () => number) {
    this.#cost = cost;
    this.#random = random;
  }

  update(members: readonly Member[]): void {
    this.#members = members;
  }

  choose(_call: CallTraits, now: number, needsRoom: boolean): Member | undefined {
    const members = this.#members;
    if (members.length < 2) return this.#cheapest(now, needsRoom);
    for (let draw = 0; draw < maxDraws; draw += 1) {
      const first = Math.floor(this.#random() * members.length);
      const other = Math.floor(this.#random() * (members.length - 1));
      const a = members[first] as Member;
      const b = members[other < first ? other : other + 1] as Member;
      const hasA = !needsRoom || a.endpoint.hasRoom();
      const hasB = !needsRoom || b.endpoint.hasRoom();
      if (hasA && hasB) return this.#cost(b, now) < this.#cost(a, now) ? b : a;
      if (hasA) return a;
      if (hasB) return b;
    }
    return this.#cheapest(now, needsRoom);
  }

  #cheapest(now: number, needsRoom: boolean): Member | undefined {
    let best: Member | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const member of this.#members) {
      if (needsRoom && !member.endpoint.hasRoom()) continue;
      const cost = this.#cost(member, now);
      if (best !== undefined && cost >= least) continue;
      best = member;
      least = cost;
    }
    return best;
  }
}
