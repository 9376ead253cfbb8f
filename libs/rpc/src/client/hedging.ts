import type { HedgingPolicy } from "../policy.ts";
import { tell } from "../tell.ts";
import type { AttemptFailure, FurtherAttempts, RepeatedCall } from "./further-attempts.ts";

/**
 * Attempts side by side, as in gRPC's proposal A6: another one whenever none has ended for `delayMs`, or at once when one
 * has failed in a way that is not fatal. What the server says of when to try again is obeyed; when it says not to, those
 * that are under way may still answer.
 *
 * Unlike in the proposal an attempt that no failure has led to takes a token of the budget too: else a service that is only
 * slow would be sent all calls as often as the policy allows. States: armed (the next attempt has its time) ⇄ disarmed;
 * stopped from each.
 */
export class Hedging implements FurtherAttempts {
  readonly #call: RepeatedCall;
  readonly #policy: HedgingPolicy;
  #disarm: (() => void) | undefined;
  #isStopped = false;

  constructor(call: RepeatedCall, policy: HedgingPolicy) {
    this.#call = call;
    this.#policy = policy;
  }

  start(): void {
    const { maxAttempts, delayMs } = this.#policy;
    if (!this.#isStopped && this.#call.begun < maxAttempts) this.#arm(delayMs, () => this.#hedge());
  }

  failed({ code, pushbackMs, retryAfterMs = 0, isPaid }: AttemptFailure): boolean {
    const { budget, begun, deadline, clock } = this.#call;
    const forbidden = pushbackMs !== undefined && !(pushbackMs >= 0);
    const isFatal = !this.#policy.nonFatalCodes.includes(code);
    if ((!isFatal || forbidden) && !isPaid) budget.recordFailure();
    if (isFatal) return false;
    const waitMs = pushbackMs ?? retryAfterMs;
    if (forbidden || !(clock.now() + waitMs < deadline)) this.stop();
    else if (!this.#isStopped && begun < this.#policy.maxAttempts) this.#arm(waitMs, () => this.#follow(code, isPaid));
    return this.#disarm !== undefined || this.#call.live > 0;
  }

  stop(): void {
    this.#isStopped = true;
    this.#disarm?.();
    this.#disarm = undefined;
  }

  /** Nobody has answered for long enough. */
  #hedge(): void {
    const { budget, path, onEvent, begun } = this.#call;
    if (budget.tryHedge()) {
      tell(onEvent, { type: "hedge", path, attempt: begun + 1 });
      this.#begin(true);
    } else tell(onEvent, { type: "refused", path, by: "retry-budget" });
  }

  /** An attempt has failed, and that has paid for this one, unless its token was for itself. */
  #follow(code: string, wasPaid: boolean): void {
    const { budget, path, onEvent, begun, live } = this.#call;
    if (wasPaid ? budget.tryHedge() : budget.allows) {
      tell(onEvent, { type: "retry", path, attempt: begun + 1, code, waitMs: 0 });
      this.#begin(wasPaid);
    } else {
      tell(onEvent, { type: "refused", path, by: "retry-budget" });
      if (live === 0) this.#call.giveUp();
    }
  }

  #begin(isPaid: boolean): void {
    const { begun } = this.#call;
    this.#call.begin(isPaid);
    // Where the breaker has refused it, to go on asking would cost a token each time.
    if (this.#call.begun > begun) this.start();
  }

  #arm(delayMs: number, run: () => void): void {
    this.#disarm?.();
    this.#disarm = this.#call.clock.after(delayMs, () => {
      this.#disarm = undefined;
      run();
    });
  }
}
