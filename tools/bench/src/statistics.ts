/** The middle of `values`; of an even number of values the mean of the middle two. Throws a `RangeError` for none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * What the part `part` (0 to 1) of `values` is below; between two values it is interpolated. Throws a `RangeError` for
 * no values.
 */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) throw new RangeError("no values have no quantiles");
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const lower = sorted[Math.floor(place)] as number;
  const upper = sorted[Math.ceil(place)] as number;
  return lower + (upper - lower) * (place % 1);
}

/**
 * `items` in the order of round `round`: each round begins with another one, and every other round goes backwards, so
 * that over the rounds nobody always comes first, nor always after the same one.
 */
export function rotated<T>(items: readonly T[], round: number): readonly T[] {
  const start = items.length === 0 ? 0 : round % items.length;
  const order = [...items.slice(start), ...items.slice(0, start)];
  return round % 2 === 0 ? order : order.reverse();
}
