import type { Timers } from "@shoal/kernel";

/** What an attempt fails with that took too long. */
export class AttemptTimeoutError extends Error {
  override readonly name = "AttemptTimeoutError";
}

/** What bounds an {@link attempt}. */
export interface AttemptLimits<T> {
  readonly timers: Timers;
  readonly timeoutMs: number;
  /** What is attempted, for the error. */
  readonly what: string;
  /** Aborted when the time is over; may be aborted by others before. */
  readonly controller: AbortController;
  /** Gets what the work answers when nobody waits for it any more. */
  readonly onLate?: (value: T) => void;
}

/** Runs `work`; answers what it answers, or rejects with what it fails with or, in time, with an {@link AttemptTimeoutError}. */
export function attempt<T>(work: (signal: AbortSignal) => Promise<T>, limits: AttemptLimits<T>): Promise<T> {
  const { timers, timeoutMs, what, controller, onLate } = limits;
  return new Promise((resolve, reject) => {
    let late = false;
    const cancel = timers.after(timeoutMs, () => {
      late = true;
      const error = new AttemptTimeoutError(`${what} took longer than ${timeoutMs} ms`);
      reject(error);
      controller.abort(error);
    });
    const end = (settle: () => void) => {
      cancel();
      settle();
    };
    const working = async () => await work(controller.signal);
    working().then(
      (value) => end(() => (late ? onLate?.(value) : resolve(value))),
      (error) => end(() => reject(error)),
    );
  });
}
