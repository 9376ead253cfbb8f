import type { CallTraits } from "../endpoint.ts";
import { hashPair, hashText } from "../hash.ts";
import type { Member } from "../member.ts";
import type { Eligible, Policy } from "./policy.ts";

/** How many times its share of the calls in flight an endpoint may have before its keys overflow to others. */
const boundedLoad = 1.25;

/**
 * Calls of one key go to one endpoint, as long as that has no more than 1.25 times its share of the calls in flight;
 * those above go to the key's next endpoint. Endpoints that come take their share of the keys from all others, and those
 * that go leave theirs to all others: no other key moves. Calls without a key go to the endpoint of a random one. Weights
 * count; slow start does not, for it would move keys twice.
 *
 * Weighted rendezvous hashing: every endpoint draws `-weight / ln(u)` with `u` from the hash of key and address, and the
 * greatest wins (D. Thaler and C. Ravishankar, 1996; weights by J. Resch, 2015). With bounded loads (V. Mirrokni,
 * M. Thorup and M. Zadimoghaddam, Consistent Hashing with Bounded Loads, SODA 2018). A choice takes time in proportion to
 * the number of endpoints.
 */
export class ConsistentHash implements Policy {
  readonly #random: () => number;
  #members: readonly Member[] = [];
  #hashes = new Uint32Array(0);
  #weights = new Float64Array(0);
  #totalWeight = 0;
  #hasOneWeight = true;

  constructor(random: () => number) {
    this.#random = random;
  }

  update(members: readonly Member[]): void {
    this.#members = members;
    this.#hashes = Uint32Array.from(members, ({ endpoint }) => hashText(endpoint.address));
    this.#weights = Float64Array.from(members, ({ endpoint }) => endpoint.weight);
    this.#totalWeight = this.#weights.reduce((sum, weight) => sum + weight, 0);
    this.#hasOneWeight = this.#weights.every((weight) => weight === this.#weights[0]);
  }

  choose({ hashKey }: CallTraits, _now: number, isEligible: Eligible = anyone): Member | undefined {
    const key = hashKey === undefined ? Math.floor(this.#random() * 2 ** 32) : hashText(hashKey);
    // Mostly the key's own endpoint can take the call, and to find that needs no look at the others' load.
    const own = this.#nearest(key, anyone);
    if (own === undefined || (own.endpoint.inFlight === 0 && isEligible(own))) return own;
    const bound = this.#bound();
    const isBelow = ({ endpoint }: Member) => endpoint.inFlight * this.#totalWeight < bound * endpoint.weight;
    return this.#nearest(key, (member) => isBelow(member) && isEligible(member)) ?? this.#nearest(key, isEligible);
  }

  /** Of those that are eligible the one whose draw for the key wins. */
  #nearest(key: number, isEligible: Eligible): Member | undefined {
    let best: Member | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.#members.length; index += 1) {
      const hash = hashPair(this.#hashes[index] as number, key);
      // Of one weight the greatest hash wins: no logarithm is needed to tell.
      const distance = this.#hasOneWeight
        ? -hash
        : -Math.log((hash + 0.5) / 2 ** 32) / (this.#weights[index] as number);
      if (distance >= least) continue;
      const member = this.#members[index] as Member;
      if (!isEligible(member)) continue;
      best = member;
      least = distance;
    }
    return best;
  }

  /** Times its part of the total weight: how many calls in flight, the new one counted, an endpoint may have. */
  #bound(): number {
    let calls = 1;
    for (const { endpoint } of this.#members) calls += endpoint.inFlight;
    return boundedLoad * calls;
  }
}

function anyone(): boolean {
  return true;
}
