/** One life of a process: what it has begun ends with it, wherever it stands. */
export class Life {
  isOver = false;
}

/** Something that happens at a moment. */
interface Event {
  readonly at: number;
  readonly turn: number;
  readonly what: string;
  readonly run: () => void;
  readonly life: Life | undefined;
  isCancelled: boolean;
}

/**
 * Owns time: everything that happens is one of its events, and happens alone. The code that an event sets going runs until
 * all of it waits for other events; then comes the next one. So the same events in the same order do the same again.
 */
export class Scheduler {
  readonly #heap: Event[] = [];
  readonly #trace: ((line: string) => void) | undefined;
  #now = 0;
  #turns = 0;
  #events = 0;

  /** `trace` is told of each event that happens. Default: nobody. */
  constructor(trace?: (line: string) => void) {
    this.#trace = trace;
  }

  /** Milliseconds since the beginning; what no process knows exactly. */
  get now(): number {
    return this.#now;
  }

  /** How many events have happened. */
  get events(): number {
    return this.#events;
  }

  /** Adds a line to the history. */
  note(line: string): void {
    this.#trace?.(`${this.#now.toFixed(3).padStart(12)}  ${line}`);
  }

  /** Runs `run` after `delayMs`, unless that `life` is over by then or the answered function is called before. */
  after(delayMs: number, what: string, run: () => void, life?: Life): () => void {
    const event: Event = {
      at: this.#now + delayMs,
      turn: this.#turns,
      what,
      run,
      life,
      isCancelled: false,
    };
    this.#turns += 1;
    this.#push(event);
    return () => {
      event.isCancelled = true;
    };
  }

  /** Resolves after `delayMs`, unless that `life` is over by then. */
  pause(delayMs: number, what: string, life?: Life): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, what, resolve, life));
  }

  /** Has one event after the other happen, until `isDone`, or it is `untilMs`. */
  async run(isDone: () => boolean, untilMs: number): Promise<void> {
    await settled();
    if (isDone()) return;
    for (let next = this.#heap[0]; next !== undefined && next.at < untilMs; next = this.#heap[0]) {
      this.#pop();
      if (next.isCancelled || next.life?.isOver === true) continue;
      this.#now = next.at;
      this.#events += 1;
      if (this.#trace !== undefined) this.note(next.what);
      next.run();
      await settled();
      if (isDone()) return;
    }
    this.#now = untilMs;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let place = heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = heap[parent] as Event;
      if (isBefore(above, event)) break;
      heap[place] = above;
      place = parent;
    }
    heap[place] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let place = 0;
    while (true) {
      let child = place * 2 + 1;
      if (child >= heap.length) break;
      const right = child + 1;
      if (right < heap.length && isBefore(heap[right] as Event, heap[child] as Event)) child = right;
      if (isBefore(last, heap[child] as Event)) break;
      heap[place] = heap[child] as Event;
      place = child;
    }
    heap[place] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.turn < other.turn);
}

/** Until no promise is left that could go on: Node runs all of them before the next turn of its loop. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
