import { setTimeout as sleep } from "node:timers/promises";
import { AppError, type CallContext, currentContext, isAppError } from "@shoal/kernel";

/** How long to wait, in milliseconds, before a statement is stopped again: at first, and after doubling at most. */
const firstPauseMs = 5;
const maxPauseMs = 500;

/** After how long a statement that does not stop loses its connection, in milliseconds: nobody answers there any more. */
const giveUpMs = 5_000;

/**
 * Has the server stop the statement at work; as a last resort ends the connection as well. May fail, and may be too early:
 * then it is called again.
 */
export type Stop = (lastResort: boolean) => Promise<void>;

/**
 * Throws when the call that is being served has ended, so that nothing more is begun for it. A deadline that has passed
 * counts even when the signal has not aborted yet, such as after something that held up the event loop.
 */
export function requireOngoingCall(): void {
  const context = currentContext();
  if (context !== undefined && hasEnded(context)) throw callEnded(context, context.signal.reason);
}

/** What work fails with when the call that it is for has ended: `timeout` or `cancelled`, `CALL_ENDED`. */
export function callEnded({ deadline }: CallContext, cause: unknown): AppError {
  // A timer may be a little ahead of the clock.
  const deadlinePassed = Date.now() >= deadline || isAppError(cause, "DEADLINE_EXCEEDED");
  return new AppError({
    kind: deadlinePassed ? "timeout" : "cancelled",
    reason: "CALL_ENDED",
    domain: "shoal.storage",
    message: "the call ended before the database had done its work",
    cause,
  });
}

/** What a wait for the database's connection failed with, or {@link callEnded} where that is why. */
export function failureForCall(error: unknown): unknown {
  const context = currentContext();
  if (context === undefined) return error;
  return hasEnded(context) || isAppError(error, "DEADLINE_EXCEEDED") ? callEnded(context, error) : error;
}

/**
 * Runs a statement for the call that is being served: not at all when the call has ended, and when it ends meanwhile
 * the statement is stopped. Once this has settled, no `stop` is on its way any more.
 */
export async function endingWithCall<T>(stop: Stop | undefined, run: () => Promise<T>): Promise<T> {
  const context = currentContext();
  if (context === undefined) return await run();
  requireOngoingCall();
  const { signal } = context;
  const running = run();
  let stopping: Promise<void> | undefined;
  const onAbort = () => {
    if (stop !== undefined) stopping = stopUntilSettled(stop, running);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const answer = await running;
    // A statement that is stopped may answer as if it had been finished, as MySQL's sleep() does.
    if (stop !== undefined) signal.throwIfAborted();
    return answer;
  } catch (error) {
    throw hasEnded(context) ? callEnded(context, error) : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Until the server has been told, the connection must not go on to a statement that would be stopped instead.
    await stopping;
  }
}

/**
 * Stops a statement again and again until it has settled: what arrives before the statement stops nothing, and a server
 * that is full may refuse the connection for it. One that goes on for 5 s more loses its connection, which settles it.
 * Never rejects; fulfils when no `stop` is on its way any more, or none that could reach another's statement.
 */
export async function stopUntilSettled(stop: Stop, running: Promise<unknown>): Promise<void> {
  const settled = new AbortController();
  const settle = () => settled.abort();
  running.then(settle, settle);
  const lost = Promise.withResolvers<void>();
  // Besides the loop: where nobody answers, a `stop` takes long itself.
  const timer = setTimeout(() => {
    stop(true).catch(() => {});
    settle();
    lost.resolve();
  }, giveUpMs);
  for (let pauseMs = firstPauseMs; !settled.signal.aborted; pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
    await Promise.race([stop(false).catch(() => {}), lost.promise]);
    await sleep(pauseMs, undefined, { signal: settled.signal }).catch(() => {});
  }
  clearTimeout(timer);
}

/**
 * Runs what begins or ends a transaction, which nothing should stop. Where nobody answers it must end all the same: when it
 * goes on 5 s after its call has ended, its connection is lost, which settles it.
 */
export async function outlastingCall<T>(stop: Stop | undefined, run: () => Promise<T>): Promise<T> {
  const context = currentContext();
  if (context === undefined || stop === undefined) return await run();
  const { signal } = context;
  let timer: NodeJS.Timeout | undefined;
  const onAbort = () => {
    timer = setTimeout(() => void stop(true).catch(() => {}), giveUpMs);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await run();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

function hasEnded({ signal, deadline }: CallContext): boolean {
  return signal.aborted || Date.now() >= deadline;
}
