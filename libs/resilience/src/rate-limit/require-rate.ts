/** The highest rate that a limit can be set to, in units per second. */
const maxPerSecond = 1_000_000_000;

/** Checks a rate, which may be a fraction: a `RangeError` that names the option and its range unless it is in it. */
export function requireRate(perSecond: number): void {
  if (perSecond > 0 && perSecond <= maxPerSecond) return;
  throw new RangeError(`perSecond must be a number above 0 to ${maxPerSecond}, not ${perSecond}`);
}

/** Checks what is asked for at once: a `RangeError` unless it is a finite number above 0. */
export function requireCost(cost: number): void {
  // After an endless one a leaky bucket would never have another turn.
  if (!(cost > 0 && cost < Number.POSITIVE_INFINITY))
    throw new RangeError(`cost must be a number above 0, not ${cost}`);
}
