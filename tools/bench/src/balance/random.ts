/** Numbers from 0 to below 1, the same ones each time for a seed (mulberry32, by T. Ettinger, public domain). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A time that is `meanMs` on average, exponentially distributed: between two calls of callers that do not wait. */
export function exponential(meanMs: number, random: () => number): number {
  return -Math.log(1 - random()) * meanMs;
}

/** A time that is `meanMs` on average, log-normally distributed with the shape `sigma`. */
export function logNormal(meanMs: number, sigma: number, random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return meanMs * Math.exp(sigma * normal - (sigma * sigma) / 2);
}
