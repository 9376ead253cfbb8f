/** The items of `source` until `signal` aborts, which ends the iteration at once, between two items or while waiting. */
export async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<{ readonly done: true; readonly value: undefined }>();
  const end = () => aborted.resolve({ done: true, value: undefined });
  signal.addEventListener("abort", end);
  try {
    while (!signal.aborted) {
      const next = await Promise.race([iterator.next(), aborted.promise]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", end);
    // Not awaited: a source that waits for its next item answers only after that.
    void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}
