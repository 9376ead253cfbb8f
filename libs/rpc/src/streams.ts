import type { Readable, Writable } from "node:stream";

/**
 * Writes all of `source` to `sink`, waiting whenever its buffer is full, and stops early, closing the source, once
 * `signal` aborts. Settles when everything written has been handed on, so that what is said next, be it an error,
 * overtakes nothing. Does not end the sink.
 */
export async function writeAll<T>(source: AsyncIterable<T>, sink: Writable, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let unwritten = 0;
  let wake = () => {};
  const written = () => {
    unwritten -= 1;
    wake();
  };
  /** Resolves when `isDone` holds, or nothing more will be written. */
  const until = async (isDone: () => boolean) => {
    while (!isDone() && !signal.aborted && !sink.destroyed)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  const woken = () => wake();
  signal.addEventListener("abort", woken);
  sink.on("drain", woken).on("close", woken);
  try {
    for await (const item of source) {
      if (signal.aborted) return;
      unwritten += 1;
      if (!sink.write(item, written)) await until(() => !sink.writableNeedDrain);
    }
  } finally {
    await until(() => unwritten === 0);
    signal.removeEventListener("abort", woken);
    sink.off("drain", woken).off("close", woken);
  }
}

/** The items of `source`, and `onLeave` when the reader is done with them: at the end, on failure, or leaving early. */
export async function* readAll<T>(source: Readable, onLeave: () => void): AsyncGenerator<T, void, undefined> {
  try {
    for await (const item of source) yield item as T;
  } finally {
    onLeave();
  }
}
