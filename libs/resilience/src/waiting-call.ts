import { type CallContext, currentContext } from "@shoal/kernel";

/**
 * The call that is being served, whose signal and deadline end a wait as well as `signal` does; none where that is `null`.
 * Throws the reason of a signal that has aborted.
 */
export function waitingCall(signal: AbortSignal | null | undefined): CallContext | undefined {
  if (signal === null) return undefined;
  signal?.throwIfAborted();
  const call = currentContext();
  const callSignal = call?.signal;
  if (callSignal !== signal) callSignal?.throwIfAborted();
  return call;
}
