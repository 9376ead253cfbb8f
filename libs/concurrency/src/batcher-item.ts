import { currentContext, type Linked, type Priority, type Timers } from "@shoal/kernel";
import type { Patience } from "./wait-options.ts";
import { Waiter } from "./waiter.ts";

/** One item, and the caller who waits for its result. */
export class BatcherItem<I, R> implements Linked<BatcherItem<I, R>> {
  readonly value: I;
  readonly weight: number;
  readonly waiter: Waiter<R>;
  /** When it came, and when its time is over, in the time of the timers. */
  readonly since: number;
  readonly expiresAt: number;
  /** What its caller's context says. */
  readonly deadline: number;
  readonly priority: Priority;
  /** What the batcher's observer keeps of the caller. */
  captured: unknown = undefined;
  /** Called when the caller leaves by itself. */
  left: (reason: unknown) => void;
  previous: BatcherItem<I, R> | undefined = undefined;
  next: BatcherItem<I, R> | undefined = undefined;

  constructor(value: I, weight: number, patience: Patience, timers: Timers, left: (item: BatcherItem<I, R>) => void) {
    this.value = value;
    this.weight = weight;
    this.since = timers.now();
    this.expiresAt = this.since + patience.timeoutMs;
    this.deadline = patience.deadline;
    this.priority = currentContext()?.priority ?? "default";
    this.left = () => left(this);
    this.waiter = new Waiter<R>(patience, timers, (reason) => this.left(reason));
  }
}
