import { requireInteger } from "@shoal/kernel";

/**
 * Applies `work` to each item of `source` and yields the results in completion order, with at most `limit` at work.
 * Reads no further item while that many are at work or finished and not yet taken, so a slow reader slows the source.
 *
 * Fails with the first failure of the source or of `work`. Leaving the loop early, or failing, closes the source;
 * what is at work then is left to finish and its results and failures are dropped, and nothing more is begun.
 */
export async function* mapConcurrent<T, R>(
  source: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  requireInteger("limit", limit, 1);
  type Event =
    | { readonly kind: "item"; readonly next: IteratorResult<T> }
    | { readonly kind: "result"; readonly value: R };
  const iterator = source[Symbol.asyncIterator]();
  const finished: R[] = [];
  let atWork = 0;
  let reading = false;
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  let left = false;
  let wake = Promise.withResolvers<void>();

  // Work that throws at once fails as work that fails later does.
  const start = async (item: T): Promise<R> => work(item);
  const settle = (event: Event): void => {
    if (event.kind === "result") {
      atWork -= 1;
      finished.push(event.value);
    } else {
      reading = false;
      if (event.next.done) ended = true;
      // An item that was being read when the loop was left, or failed, comes too late.
      else if (!left && failure === undefined) {
        atWork += 1;
        start(event.next.value).then((value) => settle({ kind: "result", value }), fail);
      }
    }
    wake.resolve();
  };
  const fail = (error: unknown): void => {
    failure ??= { error };
    wake.resolve();
  };

  try {
    while (true) {
      if (failure !== undefined) throw failure.error;
      if (!ended && !reading && atWork + finished.length < limit) {
        reading = true;
        iterator.next().then((next) => settle({ kind: "item", next }), fail);
      }
      if (finished.length > 0) yield finished.shift() as R;
      else if (ended && atWork === 0) return;
      else {
        await wake.promise;
        wake = Promise.withResolvers<void>();
      }
    }
  } finally {
    left = true;
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}
