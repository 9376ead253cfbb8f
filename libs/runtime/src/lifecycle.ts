/**
 * What must be ended when a process stops, in the reverse of the order in which it was begun: what was begun later
 * may lean on what was begun before.
 *
 * States: open → stopping → stopped.
 */
export class Lifecycle {
  readonly #parts: { readonly name: string; readonly end: () => unknown }[] = [];
  readonly #onError: (name: string, error: unknown) => void;
  #stopping: Promise<void> | undefined;

  /** `onError` is told of a part that failed to end; the others are ended all the same. */
  constructor(onError: (name: string, error: unknown) => void) {
    this.#onError = onError;
  }

  /** Has `end` called on stop, and its promise awaited, before the parts that were added earlier. */
  onStop(name: string, end: () => unknown): void {
    if (this.#stopping !== undefined) throw new Error(`${name} was started while the process is stopping`);
    this.#parts.push({ name, end });
  }

  /** Ends all parts, one after the other. Never rejects; called again it waits for the same end. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    for (const { name, end } of this.#parts.toReversed()) {
      try {
        await end();
      } catch (error) {
        this.#onError(name, error);
      }
    }
  }
}
