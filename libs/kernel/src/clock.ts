/** Where time comes from. Passed in, so that tests decide what time it is. */
export interface Clock {
  /** The wall clock: milliseconds since 1970-01-01 UTC. May jump; not for measuring. */
  now(): number;
}

/** The machine's clock. */
export const systemClock: Clock = Object.freeze({ now: () => Date.now() });
