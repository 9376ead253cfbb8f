import type { CallTraits } from "../endpoint.ts";
import { hashPair, hashText } from "../hash.ts";
import type { Member } from "../member.ts";
import type { Policy } from "./policy.ts";

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
  #hashes: readonly number[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  update(members: readonly Member[]): void {
    this.#members = members;
    this.#hashes = members.map(({ endpoint }) => hashText(endpoint.address));
  }

  choose({ hashKey }: CallTraits, _now: number, needsRoom: boolean): Member | undefined {
    const key = hashKey === undefined ? Math.floor(this.#random() * 2 ** 32) : hashText(hashKey);
    const bound = this.#loadOfWeight();
    let best: Member | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.#members.length; index += 1) {
      const member = this.#members[index] as Member;
      const { endpoint } = member;
      if (endpoint.inFlight >= Math.ceil(bound * endpoint.weight)) continue;
      if (needsRoom && !endpoint.hasRoom()) continue;
      const draw = (hashPair(this.#hashes[index] as number, key) + 0.5) / 2 ** 32;
      const distance = -Math.log(draw) / endpoint.weight;
      if (distance >= least) continue;
      best = member;
      least = distance;
    }
    return best;
  }

  /** How many calls in flight, the new one counted, an endpoint may have for each unit of its weight. */
  #loadOfWeight(): number {
    let calls = 1;
    let weight = 0;
    for (const { endpoint } of this.#members) {
      calls += endpoint.inFlight;
      weight += endpoint.weight;
    }
    return (boundedLoad * calls) / weight;
  }
}
