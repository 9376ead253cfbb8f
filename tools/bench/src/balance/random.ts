/** A time that is `meanMs` on average, exponentially distributed: between two calls of callers that do not wait. */
export function exponential(meanMs: number, random: () => number): number {
  return -Math.log(1 - random()) * meanMs;
}

/** A time that is `meanMs` on average, log-normally distributed with the shape `sigma`. */
export function logNormal(meanMs: number, sigma: number, random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return meanMs * Math.exp(sigma * normal - (sigma * sigma) / 2);
}
