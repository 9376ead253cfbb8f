import type { CallTraits } from "../endpoint.ts";
import type { Member } from "../member.ts";
import { areSame, type Eligible, type Policy } from "./policy.ts";

/** Weights are scaled so that the greatest is this. */
const fullWeight = 0xffff;
/** How often weights are read again while endpoints warm up. */
const refreshMs = 100;

/**
 * Endpoints in turn, each as often as its weight asks for. Slow start lowers weights; load counts for nothing.
 *
 * Goes round and round, and passes over an endpoint in so many rounds that what is left is its weight's share of them,
 * evenly spaced: whoever has twice the weight has a call in twice as many rounds, and nobody has two in one. This is the
 * static stride scheduler of gRPC's weighted_round_robin (proposal A58).
 */
export class WeightedRoundRobin implements Policy {
  readonly #random: () => number;
  #members: readonly Member[] = [];
  #weights: readonly number[] = [];
  #turn = 0;
  #refreshAt = Number.NEGATIVE_INFINITY;

  constructor(random: () => number) {
    this.#random = random;
  }

  update(members: readonly Member[]): void {
    if (!areSame(members, this.#members)) this.#turn = Math.floor(this.#random() * members.length * fullWeight);
    this.#members = members;
    this.#refreshAt = Number.NEGATIVE_INFINITY;
  }

  choose(_call: CallTraits, now: number, isEligible?: Eligible): Member | undefined {
    if (now >= this.#refreshAt) this.#refresh(now);
    const members = this.#members;
    // One of the greatest weight has a turn in every round. Past a whole round none of those that had one was eligible.
    let passedOver = 0;
    while (passedOver < members.length) {
      const index = this.#turn % members.length;
      const round = Math.floor(this.#turn / members.length);
      this.#turn += 1;
      if (!this.#hasTurn(index, round)) continue;
      const member = members[index] as Member;
      if (isEligible === undefined || isEligible(member)) return member;
      passedOver += 1;
    }
    return isEligible && members.find(isEligible);
  }

  /** Whether the member's weight, added up round after round, comes to a further full weight in this one. */
  #hasTurn(index: number, round: number): boolean {
    // Members of the same weight have their turns in different rounds.
    const offset = (index * (fullWeight >>> 1)) % fullWeight;
    return (
      ((this.#weights[index] as number) * round + offset) % fullWeight >= fullWeight - (this.#weights[index] as number)
    );
  }

  #refresh(now: number): void {
    const weights = this.#members.map((member) => member.weightAt(now));
    const greatest = Math.max(...weights);
    this.#weights = weights.map((weight) => Math.max(1, Math.round((weight / greatest) * fullWeight)));
    const warming = this.#members.some((member) => member.isWarming(now));
    this.#refreshAt = warming ? now + refreshMs : Number.POSITIVE_INFINITY;
  }
}
