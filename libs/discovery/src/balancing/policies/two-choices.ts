import type { CallTraits } from "../endpoint.ts";
import type { Member } from "../member.ts";
import type { Eligible, Policy } from "./policy.ts";

/** What a call would cost on a member, in any unit: the cheaper of two gets it. */
export type Cost = (member: Member, now: number) => number;

/** How often two are drawn before the best of them is taken, or all are looked at because none is eligible. */
const maxDraws = 3;
/** How much of the usual cost the next call replaces. */
const usualStep = 1 / 64;

/**
 * The cheaper of two drawn at random: nearly as even as the cheapest of all, at a cost that does not grow with their
 * number, and without sending every client to the same one.
 *
 * Where a tenth of them is bad, both of two are so once in a hundred times. So two more are drawn when a call would cost
 * more than `tooDear` times what it usually does.
 *
 * M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, IEEE TPDS 12(10), 2001.
 */
export class TwoChoices implements Policy {
  readonly #cost: Cost;
  readonly #random: () => number;
  readonly #tooDear: number;
  #members: readonly Member[] = [];
  #usual = 0;

  /** By default no cost is too dear. */
  constructor(cost: Cost, random: () => number, tooDear = Number.POSITIVE_INFINITY) {
    this.#cost = cost;
    this.#random = random;
    this.#tooDear = tooDear;
  }

  update(members: readonly Member[]): void {
    this.#members = members;
  }

  choose(_call: CallTraits, now: number, isEligible?: Eligible): Member | undefined {
    const members = this.#members;
    if (members.length < 2) return this.#cheapest(now, isEligible);
    let best: Member | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let draw = 0; draw < maxDraws; draw += 1) {
      const first = Math.floor(this.#random() * members.length);
      const other = Math.floor(this.#random() * (members.length - 1));
      for (const index of [first, other < first ? other : other + 1]) {
        const member = members[index] as Member;
        if (isEligible !== undefined && !isEligible(member)) continue;
        const cost = this.#cost(member, now);
        if (cost >= least) continue;
        best = member;
        least = cost;
      }
      if (best !== undefined && !(least > this.#tooDear * this.#usual)) break;
    }
    if (best === undefined) return this.#cheapest(now, isEligible);
    this.#usual += (least - this.#usual) * (this.#usual === 0 ? 1 : usualStep);
    return best;
  }

  #cheapest(now: number, isEligible: Eligible | undefined): Member | undefined {
    let best: Member | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const member of this.#members) {
      if (isEligible !== undefined && !isEligible(member)) continue;
      const cost = this.#cost(member, now);
      if (best !== undefined && cost >= least) continue;
      best = member;
      least = cost;
    }
    return best;
  }
}
