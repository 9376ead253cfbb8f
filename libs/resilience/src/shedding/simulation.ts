import type { Timers } from "@shoal/kernel";

interface Event {
  readonly at: number;
  readonly number: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/**
 * Simulated time for tests with millions of events: what is due runs in the order of its times, and then of its making.
 * Between two events all that promises have to do at once is done.
 */
export class Simulation implements Timers {
  /** A binary heap: the next event first. */
  readonly #events: Event[] = [];
  #now = 0;
  #made = 0;

  now(): number {
    return this.#now;
  }

  after(delayMs: number, run: () => void): () => void {
    const event = { at: this.#now + delayMs, number: this.#made, run, isCancelled: false };
    this.#made += 1;
    this.#push(event);
    return () => {
      event.isCancelled = true;
    };
  }

  /** Lets `ms` pass. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (let event = this.#events[0]; event !== undefined && event.at <= until; event = this.#events[0]) {
      this.#pop();
      if (event.isCancelled) continue;
      this.#now = event.at;
      event.run();
      await undefined;
    }
    this.#now = until;
  }

  #push(event: Event): void {
    const events = this.#events;
    let at = events.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = events[above] as Event;
      if (isBefore(parent, event)) break;
      events[at] = parent;
      at = above;
    }
    events[at] = event;
  }

  #pop(): void {
    const events = this.#events;
    const last = events.pop() as Event;
    if (events.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= events.length) break;
      if (below + 1 < events.length && isBefore(events[below + 1] as Event, events[below] as Event)) below += 1;
      const child = events[below] as Event;
      if (isBefore(last, child)) break;
      events[at] = child;
      at = below;
    }
    events[at] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.number < other.number);
}

/** A server with some workers and a queue without end: what a service does that lets everybody in. */
export class SimulatedServer {
  readonly #timers: Timers;
  readonly #queue: { readonly workMs: number; readonly done: () => void }[] = [];
  #busy = 0;
  /** How many calls it works on at once. What is changed counts from the next call on. */
  workers: number;

  constructor(workers: number, timers: Timers) {
    this.workers = workers;
    this.#timers = timers;
  }

  /** Tells `done` when a worker has been at it for `workMs`. */
  serve(workMs: number, done: () => void): void {
    this.#queue.push({ workMs, done });
    this.#next();
  }

  #next(): void {
    while (this.#busy < this.workers) {
      const call = this.#queue.shift();
      if (call === undefined) return;
      this.#busy += 1;
      this.#timers.after(call.workMs, () => {
        this.#busy -= 1;
        call.done();
        this.#next();
      });
    }
  }
}

/** A time with this mean, as independent events are apart from each other. */
export function exponential(meanMs: number, random: () => number): number {
  return -meanMs * Math.log(1 - random());
}

/** Begins a call whenever one comes, as independent callers do that do not wait for each other, until it is stopped. */
export function arrivals(perSecond: () => number, timers: Timers, random: () => number, call: () => void): () => void {
  let stop: () => void;
  const next = () => {
    stop = timers.after(exponential(1_000 / perSecond(), random), () => {
      call();
      next();
    });
  };
  next();
  return () => stop();
}
