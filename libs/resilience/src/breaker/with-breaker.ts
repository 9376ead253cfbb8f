import type { Outcome } from "../outcome.ts";
import type { Breaker } from "./breaker.ts";
import { outcomeOfError } from "./outcome-of-error.ts";
import { breakerRefusal } from "./refusals.ts";

/** How {@link withBreaker} calls. */
export interface GuardOptions {
  /** Names what is called, in the error for those who are refused. Default: `the callee`. */
  readonly callee?: string;
  /** What an error says of the callee. Default: {@link outcomeOfError}. */
  readonly outcomeOf?: (error: unknown) => Outcome;
}

/**
 * Calls something through a breaker, and tells the breaker how that ended; answers what `run` answers and rejects with what
 * it throws. Where the breaker refuses, `run` is not called: rejects at once with the error of `breakerRefusal`.
 */
export async function withBreaker<T>(breaker: Breaker, run: () => T, options?: GuardOptions): Promise<Awaited<T>> {
  const permit = breaker.tryAcquire();
  if (permit === undefined) throw breakerRefusal(breaker, options?.callee ?? "the callee");
  try {
    const answer = await run();
    permit.end("success");
    return answer;
  } catch (error) {
    permit.end(judged(options?.outcomeOf ?? outcomeOfError, error));
    throw error;
  }
}

/** What cannot be judged counts as a failure: the permit must come back, and the caller is to see what has failed. */
function judged(outcomeOf: (error: unknown) => Outcome, error: unknown): Outcome {
  try {
    return outcomeOf(error);
  } catch {
    return "failure";
  }
}
