import { nextAttempt } from "@shoal/resilience";
import type { RetryPolicy } from "../policy.ts";
import { tell } from "../tell.ts";
import type { AttemptFailure, FurtherAttempts, RepeatedCall } from "./further-attempts.ts";

/**
 * Attempts one after the other, as `nextAttempt` of `@shoal/resilience` decides: gRPC's proposal A6 with full jitter, and
 * without pauses that the deadline does not outlast. States: idle ⇄ pausing; stopped from each.
 */
export class Retrying implements FurtherAttempts {
  readonly #call: RepeatedCall;
  readonly #policy: RetryPolicy;
  #endPause: (() => void) | undefined;

  constructor(call: RepeatedCall, policy: RetryPolicy) {
    this.#call = call;
    this.#policy = policy;
  }

  start(): void {}

  failed({ code, pushbackMs, retryAfterMs }: AttemptFailure): boolean {
    const { path, begun: attempt, deadline, clock, budget, onEvent } = this.#call;
    const { now, random } = clock;
    const policy = this.#policy;
    const failed = { policy, attempt, code, pushbackMs, retryAfterMs, deadline, now: now(), budget, random };
    const decision = nextAttempt(failed);
    if (!decision.retry) {
      if (decision.why === "budget") tell(onEvent, { type: "refused", path, by: "retry-budget" });
      return false;
    }
    const { waitMs } = decision;
    tell(onEvent, { type: "retry", path, attempt: attempt + 1, code, waitMs });
    this.#endPause = clock.after(waitMs, () => {
      this.#endPause = undefined;
      // Timers may be late.
      if (clock.now() < this.#call.deadline) this.#call.begin(false);
      else this.#call.giveUp();
    });
    return true;
  }

  stop(): void {
    this.#endPause?.();
    this.#endPause = undefined;
  }
}
