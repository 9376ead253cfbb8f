/** How many parts a window moves on by. */
const parts = 10;

/** How many calls ended, and how many of them failed, in the last `windowMs` milliseconds, to a tenth of that. */
export class OutcomeWindow {
  readonly #partMs: number;
  readonly #calls = new Uint32Array(parts);
  readonly #failures = new Uint32Array(parts);
  #part = Number.NEGATIVE_INFINITY;
  #totalCalls = 0;
  #totalFailures = 0;

  constructor(windowMs: number) {
    this.#partMs = windowMs / parts;
  }

  /** A call ended at `now`; time does not go back. */
  add(failed: boolean, now: number): void {
    this.#advance(now);
    const slot = this.#part % parts;
    this.#calls[slot] = (this.#calls[slot] as number) + 1;
    this.#totalCalls += 1;
    if (!failed) return;
    this.#failures[slot] = (this.#failures[slot] as number) + 1;
    this.#totalFailures += 1;
  }

  /** How many calls ended. */
  calls(now: number): number {
    this.#advance(now);
    return this.#totalCalls;
  }

  /** How many of them failed. */
  failures(now: number): number {
    this.#advance(now);
    return this.#totalFailures;
  }

  /** Forgets all. */
  clear(): void {
    this.#calls.fill(0);
    this.#failures.fill(0);
    this.#totalCalls = 0;
    this.#totalFailures = 0;
  }

  #advance(now: number): void {
    const part = Math.floor(now / this.#partMs);
    if (part === this.#part) return;
    if (part - this.#part >= parts) this.clear();
    else {
      for (let passed = this.#part + 1; passed <= part; passed += 1) {
        const slot = passed % parts;
        this.#totalCalls -= this.#calls[slot] as number;
        this.#totalFailures -= this.#failures[slot] as number;
        this.#calls[slot] = 0;
        this.#failures[slot] = 0;
      }
    }
    this.#part = part;
  }
}
