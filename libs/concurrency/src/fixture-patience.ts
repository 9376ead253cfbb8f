import { getEventListeners } from "node:events";
import type { WaitOptions } from "./wait-options.ts";

/** What callers abort with in tests. */
export class GaveUp extends Error {
  override readonly name = "GaveUp";
}

/** How one call of a test ended: `waiting` until it has. */
export type Fate = "waiting" | "answered" | string;

/** One call of a test, which may be given up. */
export class TestedCall<T> {
  readonly #controller = new AbortController();
  readonly #answers: T[] = [];
  /** `waiting`, `answered`, or what it was refused with: the error's reason, name or message. */
  fate: Fate = "waiting";
  /** Settles when the call has, and never rejects. */
  readonly settled: Promise<void>;

  constructor(timeoutMs: number | undefined, call: (options: WaitOptions) => Promise<T>) {
    this.settled = call({ signal: this.#controller.signal, timeoutMs }).then(
      (answer) => {
        this.#answers.push(answer);
        this.#ended("answered");
      },
      (error: { reason?: string; name?: string; message?: string }) => {
        this.#ended(error.reason ?? (error.name === "Error" ? error.message : error.name) ?? String(error));
      },
    );
  }

  /** What it was answered. */
  get answer(): T | undefined {
    return this.#answers[0];
  }

  giveUp(): void {
    this.#controller.abort(new GaveUp());
  }

  #ended(fate: Fate): void {
    const listeners = getEventListeners(this.#controller.signal, "abort").length;
    this.fate = listeners === 0 ? fate : `${fate}, and a listener is left`;
  }
}
