import type { CallTraits } from "../endpoint.ts";
import type { Member } from "../member.ts";
import { areSame, type Eligible, type Policy } from "./policy.ts";

/** One after the other, from a random one on; weights, load and slow start count for nothing. */
export class RoundRobin implements Policy {
  readonly #random: () => number;
  #members: readonly Member[] = [];
  #next = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  update(members: readonly Member[]): void {
    // Clients that learn of a change together should not go on in step.
    if (!areSame(members, this.#members)) this.#next = Math.floor(this.#random() * members.length);
    this.#members = members;
  }

  choose(_call: CallTraits, _now: number, isEligible?: Eligible): Member | undefined {
    for (let tried = 0; tried < this.#members.length; tried += 1) {
      const member = this.#members[this.#next] as Member;
      this.#next = this.#next + 1 === this.#members.length ? 0 : this.#next + 1;
      if (isEligible === undefined || isEligible(member)) return member;
    }
    return undefined;
  }
}
