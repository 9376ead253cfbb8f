import { hashPair, hashText } from "./hash.ts";

/**
 * Which instances a client uses, `size` of them, so that a large client does not connect to each of many: the same ones
 * for the same client, in the order given, and all when there are no more than `size`. Clients with different ids spread
 * evenly over the instances. Of instances that come or go, each changes at most one of a client's. Throws a `RangeError`
 * unless `size` is at least 1.
 *
 * Rendezvous hashing, as in gRPC's random_subsetting (proposal A68).
 */
export function subset<T extends { readonly address: string }>(
  instances: readonly T[],
  clientId: string,
  size: number,
): readonly T[] {
  if (!(size >= 1)) throw new RangeError(`size must be a number from 1, not ${size}`);
  if (instances.length <= size) return instances;
  const seed = hashText(clientId);
  const ranked = instances.map((instance, index) => {
    return { index, instance, rank: hashPair(hashText(instance.address), seed) };
  });
  // Where hashes are equal the address decides, for the order of the instances may differ from time to time.
  ranked.sort((a, b) => a.rank - b.rank || (a.instance.address < b.instance.address ? -1 : 1));
  const chosen = ranked.slice(0, size).sort((a, b) => a.index - b.index);
  return chosen.map(({ instance }) => instance);
}
