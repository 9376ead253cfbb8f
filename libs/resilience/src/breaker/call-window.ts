/** The latest calls, counted. */
export interface CallWindow {
  /** How many calls are in it. */
  readonly calls: number;
  /** How many of them failed. */
  readonly failures: number;
  /** How many of them were slow, failed or not. */
  readonly slow: number;
  /** Forgets what is too old at `now`. Before it is read; {@link add} does it too. */
  age(now: number): void;
  /** Counts a call that ended at `now`. */
  add(now: number, failed: boolean, slow: boolean): void;
  /** Forgets all. */
  clear(): void;
}
