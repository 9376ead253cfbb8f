import { currentContext } from "@shoal/kernel";

/** How long a caller waits for its answer: until the first of these ends, and never longer than the call that is being served. */
export interface WaitOptions {
  /**
   * The wait ends with the signal's reason when it aborts. Default: none. The signal of the call that is being served
   * (`CallContext`) ends the wait too; `null` says that neither it nor the call's deadline does, for work that must go on
   * when the caller has gone.
   */
  readonly signal?: AbortSignal | null | undefined;
  /** The longest wait, a number of milliseconds from 0, or `Infinity`; then a {@link WaitTimeoutError}. Default: `Infinity`. */
  readonly timeoutMs?: number | undefined;
}

/** What ends a wait. */
export interface Patience {
  readonly signal: AbortSignal | undefined;
  readonly callSignal: AbortSignal | undefined;
  readonly timeoutMs: number;
  /**
   * Until when the call that is being served waits, in milliseconds since the epoch; `Infinity` outside any call and where
   * the caller has said `signal: null`. No timer is set for it, as the call's signal aborts then: it is for those who begin
   * work for several callers, or begin it later, when that signal may be late.
   */
  readonly deadline: number;
}

/** Reads what ends a wait. Throws a `RangeError` for a timeout out of range, and the reason of a signal that has aborted. */
export function patienceOf(options: WaitOptions): Patience {
  const { signal, timeoutMs = Number.POSITIVE_INFINITY } = options;
  requireDuration("timeoutMs", timeoutMs);
  const call = signal === null ? undefined : currentContext();
  const callSignal = call?.signal;
  signal?.throwIfAborted();
  callSignal?.throwIfAborted();
  return {
    signal: signal ?? undefined,
    callSignal: callSignal === signal ? undefined : callSignal,
    timeoutMs,
    deadline: call?.deadline ?? Number.POSITIVE_INFINITY,
  };
}

/** Throws a `RangeError` unless `value` is a number of milliseconds from 0, or `Infinity`. */
export function requireDuration(name: string, value: number): void {
  if (!(value >= 0)) throw new RangeError(`${name} must be a number from 0, not ${value}`);
}
