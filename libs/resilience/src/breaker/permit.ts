import type { Outcome } from "../outcome.ts";
import type { BreakerPermit } from "./breaker.ts";

/** What a breaker does when a call of its ends. One function for all calls, so that a permit is all that a call costs. */
export type Settle = (permit: HeldPermit, outcome: Outcome) => void;

/** A permit as its breaker sees it. States: held → ended. */
export class HeldPermit implements BreakerPermit {
  /** Which turn of the breaker's states it belongs to. */
  readonly generation: number;
  /** When the call began, in whole milliseconds of the breaker's; 0 where nobody asks. */
  readonly startedAt: number;
  #settle: Settle | undefined;

  constructor(settle: Settle, generation: number, startedAt: number) {
    this.#settle = settle;
    this.generation = generation;
    this.startedAt = startedAt;
  }

  end(outcome: Outcome): void {
    const settle = this.#settle;
    if (settle === undefined) return;
    this.#settle = undefined;
    settle(this, outcome);
  }
}
