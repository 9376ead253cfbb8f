/**
 * Numbers from 0 to below 1, the same ones each time for a seed of 32 bits, as `Math.random` gives them: Tommy Ettinger's
 * mulberry32 generator, in the public domain. Not for secrets.
 */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
