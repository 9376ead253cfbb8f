import { randomFrom, type Timers } from "@shoal/kernel";
import { RetryBudget } from "@shoal/resilience";
import type { AttemptFailure, RepeatedCall } from "./further-attempts.ts";
import type { ResilienceEvent } from "./resilience-events.ts";

/** A call whose attempts a test ends by hand, on a virtual clock. */
export class FakeCall<T extends Timers> implements RepeatedCall {
  readonly path = "/a.B/C";
  readonly time: T;
  readonly clock;
  readonly events: ResilienceEvent[] = [];
  readonly budget = new RetryBudget();
  readonly onEvent = (event: ResilienceEvent) => this.events.push(event);
  /** When each attempt was begun, after the call was. */
  readonly begunAt: number[] = [];
  /** Which of them the budget was asked for. */
  readonly paid: boolean[] = [];
  deadline: number;
  live = 0;
  givenUp = 0;
  readonly #startedAt: number;

  constructor(time: T, timeoutMs = 60_000, random: () => number = randomFrom(1)) {
    this.time = time;
    this.#startedAt = time.now();
    this.deadline = this.#startedAt + timeoutMs;
    this.clock = {
      now: () => time.now(),
      after: (ms: number, run: () => void) => time.after(ms, run),
      random,
    };
  }

  get begun(): number {
    return this.begunAt.length;
  }

  begin(isPaid: boolean): void {
    this.begunAt.push(this.time.now() - this.#startedAt);
    this.paid.push(isPaid);
    this.live += 1;
  }

  giveUp(): void {
    this.givenUp += 1;
  }

  /** One of the attempts under way ends, with such a failure. */
  fails(init: Partial<AttemptFailure> = {}): AttemptFailure {
    this.live -= 1;
    return { code: "UNAVAILABLE", pushbackMs: undefined, retryAfterMs: undefined, isPaid: false, ...init };
  }
}
