import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "@shoal/kernel";
import { Counts } from "./counts.ts";
import { isFault, isPassing } from "./failure.ts";

/** How long it may take until there is a final answer, in milliseconds: longer than anything that a crash leaves behind. */
const patienceMs = 90_000;

/** How long to wait before the next attempt, in milliseconds: half of it more or less. */
const pauseMs = 100;

/** What a call was answered with for good. */
export type Answer<T> = { readonly value: T } | { readonly refusal: AppError };

/** Makes calls again and again until they are answered for good, or `giveUp` aborts. */
export class Asker {
  /** How often calls were made again, by why. */
  readonly retries = new Counts();
  /** Faults of a service, which it must not have, in words. */
  readonly faults: string[] = [];
  readonly #giveUp: AbortSignal;

  constructor(giveUp: AbortSignal) {
    this.#giveUp = giveUp;
  }

  /** Rejects when there is no final answer in a minute and a half, or what failed is no error of a call. */
  async untilAnswered<T>(ask: (attempt: number) => Promise<T>): Promise<Answer<T>> {
    const until = performance.now() + patienceMs;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return { value: await ask(attempt) };
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        if (!isPassing(error)) return { refusal: error };
        this.#note(error);
        if (performance.now() > until) throw new Error(`no answer in ${patienceMs} ms`, { cause: error });
        await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal: this.#giveUp });
      }
    }
  }

  #note(error: AppError): void {
    const { kind, reason, message } = error;
    this.retries.add(`${kind} ${reason}`);
    if (isFault(error)) this.faults.push(`a call was answered with ${reason}: ${message}`);
  }
}
