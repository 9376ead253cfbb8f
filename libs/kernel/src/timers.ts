/**
 * The longest delay that a timer takes, in milliseconds: 24.8 days. Node ends a longer one at once, so whoever may be asked
 * for more sets no timer, or this one.
 */
export const maxDelayMs = 2_147_483_647;

/** How time passes. Passed in, so that tests decide. */
export interface Timers {
  /** Milliseconds since some moment; never goes back. For measuring. */
  now(): number;
  /** Runs `run` once after `delayMs`, {@link maxDelayMs} at most, unless the answered function is called before. Does not keep the process alive. */
  after(delayMs: number, run: () => void): () => void;
}

/** The machine's. */
export const systemTimers: Timers = Object.freeze({
  now: () => performance.now(),
  after: (delayMs: number, run: () => void) => {
    const timer = setTimeout(run, delayMs).unref();
    return () => clearTimeout(timer);
  },
});
