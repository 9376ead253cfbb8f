/** The items of `source` until `signal` aborts, which ends the iteration at once, between two items or while waiting. */
export async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const done = { done: true, value: undefined } as const;
  // One promise an item: one for the whole stream would keep every item alive until the stream ends.
  let wake = () => {};
  const end = () => wake();
  signal.addEventListener("abort", end);
  try {
    while (!signal.aborted) {
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        wake = () => resolve(done);
        iterator.next().then(resolve, reject);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", end);
    // Not awaited: a source that waits for its next item answers only after that.
    void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}
