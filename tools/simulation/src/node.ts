import type { Clock } from "@shoal/kernel";
import { Life } from "./scheduler.ts";

/** What a node answers to a method: rejects with what the caller is told, or with a fault of its own. */
export type Handlers = Readonly<Record<string, (request: never) => Promise<unknown>>>;

/**
 * A machine that a service runs on. Its process may die and begin anew; its clock is its own.
 *
 * States: down ⇄ up.
 */
export class Node {
  readonly name: string;
  /** By how many milliseconds its clock is ahead of the time. */
  skewMs = 0;
  readonly clock: Clock;
  #life = ended();
  #handlers: Handlers = {};

  /** `now`: what time it is, in milliseconds. */
  constructor(name: string, now: () => number) {
    this.name = name;
    this.clock = { now: () => Math.floor(now() + this.skewMs) };
  }

  /** Its process of now. */
  get life(): Life {
    return this.#life;
  }

  /** What it answers, if it is up. */
  get handlers(): Handlers | undefined {
    return this.#life.isOver ? undefined : this.#handlers;
  }

  /** Begins a new process, with nothing in its memory. */
  start(build: (life: Life) => Handlers): void {
    this.#life = new Life();
    this.#handlers = build(this.#life);
  }

  /** Ends its process; nothing of what it was doing goes on. */
  crash(): void {
    this.#life.isOver = true;
  }
}

function ended(): Life {
  const life = new Life();
  life.isOver = true;
  return life;
}
