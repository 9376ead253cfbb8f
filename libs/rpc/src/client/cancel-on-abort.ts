/** What can be ended. */
interface Cancellable {
  cancel(why: string): void;
}

/**
 * What each signal ends. One listener on a signal does for all its calls: adding and removing one for each call is
 * among the dearest things that a client would do for it. The listener goes with its signal.
 */
const cancelledBy = new WeakMap<AbortSignal, Set<Cancellable>>();

/** Cancels `call` when `signal` aborts, until {@link release}. */
export function cancelOn(signal: AbortSignal | undefined, call: Cancellable): void {
  if (signal === undefined) return;
  if (signal.aborted) call.cancel("the caller cancelled the call");
  else (cancelledBy.get(signal) ?? watch(signal)).add(call);
}

/** Takes {@link cancelOn} back. */
export function release(signal: AbortSignal | undefined, call: Cancellable): void {
  if (signal !== undefined) cancelledBy.get(signal)?.delete(call);
}

function watch(signal: AbortSignal): Set<Cancellable> {
  const calls = new Set<Cancellable>();
  cancelledBy.set(signal, calls);
  const cancelAll = () => {
    for (const call of calls) call.cancel("the caller cancelled the call");
  };
  signal.addEventListener("abort", cancelAll, { once: true });
  return calls;
}
