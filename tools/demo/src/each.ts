/** The items as the asynchronous source that `mapConcurrent` reads. */
export async function* each<T>(items: Iterable<T>): AsyncGenerator<T, void, undefined> {
  yield* items;
}
