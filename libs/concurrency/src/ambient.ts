import {
  type CallContext,
  createContext,
  currentContext,
  newId,
  outsideAnyCall,
  type Priority,
  runWithContext,
  withSignal,
} from "@shoal/kernel";

/** Runs `work` with `signal`, which is also the one that the ambient context carries, if there is a context. */
export function runWithSignal<T>(signal: AbortSignal, work: (signal: AbortSignal) => T): T {
  const context = currentContext();
  return context === undefined ? work(signal) : runWithContext(withSignal(context, signal), () => work(signal));
}

/**
 * Runs `work` on behalf of several calls: outside all of them, so that nothing of one reaches another, in a context of its
 * own that has a new request id, `signal`, `deadline` and `priority`, and nothing else.
 */
export function runForMany<T>(
  { signal, deadline, priority }: Pick<CallContext, "signal" | "deadline" | "priority">,
  work: () => T,
): T {
  return outsideAnyCall(() => runWithContext(createContext({ requestId: newId(), signal, deadline, priority }), work));
}

const ranks: Readonly<Record<Priority, number>> = { sheddable: 0, default: 1, critical: 2 };

/** The priority that is given up later. */
export function higherPriority(one: Priority, other: Priority): Priority {
  return ranks[one] >= ranks[other] ? one : other;
}
