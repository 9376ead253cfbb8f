/** Work of a test, which ends when the test says so. */
export class TestedWork<R> {
  /** Whether it ends by itself when its signal aborts. */
  readonly heeds: boolean;
  #signal: AbortSignal | undefined;
  readonly #end = Promise.withResolvers<R>();
  /** Whether it has ended. */
  ended = false;

  constructor(heeds: boolean) {
    this.heeds = heeds;
    // It may be ended before it was started.
    this.#end.promise.catch(() => {});
  }

  /** Whether it was started. */
  get started(): boolean {
    return this.#signal !== undefined;
  }

  /** Whether it is being done. */
  get atWork(): boolean {
    return this.started && !this.ended;
  }

  /** Whether it was asked to stop. */
  get aborted(): boolean {
    return this.#signal?.aborted === true;
  }

  /** What is handed to the piece that is tested. */
  readonly work = async (signal: AbortSignal): Promise<R> => {
    this.#signal = signal;
    const abort = () => this.#end.reject(signal.reason);
    if (this.heeds) signal.addEventListener("abort", abort, { once: true });
    try {
      return await this.#end.promise;
    } finally {
      this.ended = true;
      signal.removeEventListener("abort", abort);
    }
  };

  /** Ends it. */
  succeed(value: R): void {
    this.#end.resolve(value);
  }

  /** Ends it. */
  fail(error: Error): void {
    this.#end.reject(error);
  }
}
