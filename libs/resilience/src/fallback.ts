import { AppError, type ErrorKind } from "@shoal/kernel";

/** What happened instead of an answer; for metrics and logs. */
export interface FallbackEvent {
  /** The fallback stands in, or has failed too. Nothing is told of one that has no answer. */
  readonly type: "used" | "failed";
  /** What the call failed with. */
  readonly error: unknown;
  /** What the fallback failed with; `undefined` when it has not. */
  readonly fallbackError: unknown;
}

/** When {@link withFallback} falls back, and who is told. */
export interface FallbackOptions {
  /** Whether something else will do after this error. Default: {@link isDependencyFailure}. */
  readonly when?: (error: unknown) => boolean;
  /** Told at once. What it throws is ignored. */
  readonly onEvent?: (event: FallbackEvent) => void;
}

const dependencyFailures: ReadonlySet<ErrorKind> = new Set(["unavailable", "exhausted", "timeout"]);

/**
 * Whether an error says that something which is needed is away, has too much to do or takes too long: the kinds
 * `unavailable`, `exhausted` and `timeout` of an `AppError`. Faults, refusals for a reason and what the caller did wrong are
 * not such: a fallback would hide them.
 */
export function isDependencyFailure(error: unknown): boolean {
  return error instanceof AppError && dependencyFailures.has(error.kind);
}

/**
 * Answers what `run` answers, or, where what it needs has failed, what `fallback` makes of the error: a degraded answer, such
 * as an older one. The type says which answers there may be, so give degraded ones a type that tells them apart.
 *
 * After any other error it rejects with that. A fallback that has no answer throws the error that it was given. When it fails
 * in another way it rejects with the first error too, the very same one, for that is what is wrong; the fallback's is its
 * property `fallbackError` then (unless it is frozen), and in the event.
 */
export async function withFallback<T, F>(
  run: () => T,
  fallback: (error: unknown) => F,
  options: FallbackOptions = {},
): Promise<Awaited<T> | Awaited<F>> {
  const { when = isDependencyFailure, onEvent } = options;
  const tell = (event: FallbackEvent) => {
    try {
      onEvent?.(event);
    } catch {
      // Whoever listens does not decide what is answered.
    }
  };
  try {
    return await run();
  } catch (error) {
    if (!when(error)) throw error;
    try {
      const answer = await fallback(error);
      tell({ type: "used", error, fallbackError: undefined });
      return answer;
    } catch (fallbackError) {
      if (fallbackError === error) throw error;
      if (error instanceof Error) Reflect.set(error, "fallbackError", fallbackError);
      tell({ type: "failed", error, fallbackError });
      throw error;
    }
  }
}
