import { AsyncLocalStorage } from "node:async_hooks";

/** What is given up first when there is too much to do: sheddable before default before critical. */
export type Priority = "critical" | "default" | "sheddable";

/** Who is calling, as a server has found out. */
export interface Identity {
  /** Names the caller: a user's id, a service's name. */
  readonly subject: string;
  /** What it may do. */
  readonly scopes: ReadonlySet<string>;
}

/**
 * What is true for everything done on behalf of one call. It is ambient: carried by AsyncLocalStorage from the
 * server's first interceptor on, read by clients and drivers, and passed through no signature.
 */
export interface CallContext {
  /** Names the call in logs and error answers; the same in every service that the call reaches. Its trace's id, if any. */
  readonly requestId: string;
  /** When the caller stops waiting: milliseconds since the epoch, `Infinity` when it waits for ever. */
  readonly deadline: number;
  /** Aborts when the caller gives up or the deadline passes. */
  readonly signal: AbortSignal;
  readonly priority: Priority;
  /** Facts about the call that every service it reaches may want, such as tenant and user. */
  readonly baggage: ReadonlyMap<string, string>;
  /** The caller's place in a trace, as in W3C Trace Context. */
  readonly traceparent: string | undefined;
  /** Who is calling; does not cross the wire: each service finds it out for itself. */
  readonly identity: Identity | undefined;
  /** Names the one effect that the caller wants, however often it asks. */
  readonly idempotencyKey: string | undefined;
}

const storage = new AsyncLocalStorage<CallContext>();

/**
 * Runs a function outside any call, and answers what it does: for work that serves many calls, timers above all, and must not
 * end with the one that happened to begin it.
 */
export const outsideAnyCall: <T>(run: () => T) => T = AsyncLocalStorage.snapshot();

/** The context of the call that is being served, or `undefined` outside any call. */
export function currentContext(): CallContext | undefined {
  return storage.getStore();
}

/** Runs `work`, and all that it starts, in `context`; answers what `work` answers. */
export function runWithContext<T>(context: CallContext, work: () => T): T {
  return storage.run(context, work);
}

const never = new AbortController().signal;

/**
 * A context to begin with where no call has brought one, such as a job's: no deadline, never cancelled, default
 * priority, no baggage, unless `init` says otherwise.
 */
export function createContext({
  requestId,
  deadline = Number.POSITIVE_INFINITY,
  signal = never,
  priority = "default",
  baggage = new Map(),
  traceparent,
  identity,
  idempotencyKey,
}: Partial<CallContext> & Pick<CallContext, "requestId">): CallContext {
  // Field by field: a context's fields may be getters of its class, as a server's are, which a spread leaves behind.
  return { requestId, deadline, signal, priority, baggage, traceparent, identity, idempotencyKey };
}

/**
 * The same context, of any class, with another signal; for a part of the call's work that may end before the call does.
 * Read once, so that what changes in `context` later does not change here.
 */
export function withSignal(context: CallContext, signal: AbortSignal): CallContext {
  const { requestId, deadline, priority, baggage, traceparent, identity, idempotencyKey } = context;
  return { requestId, deadline, signal, priority, baggage, traceparent, identity, idempotencyKey };
}
