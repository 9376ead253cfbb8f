import type { Readable, Writable } from "node:stream";

/**
 * Writes all of `source`, each item encoded, to `sink`, waiting whenever its buffer is full, and stops early, closing the source, once
 * `signal` aborts. Does not end the sink.
 */
export async function writeAll<T>(
  source: AsyncIterable<T>,
  encode: (item: T) => Buffer,
  sink: Writable,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  for await (const item of source) {
    if (signal.aborted) return;
    if (!sink.write(encode(item))) await drained(sink, signal);
  }
}

/** Resolves when the buffer has room again, or nothing more will be written. */
async function drained(sink: Writable, signal: AbortSignal): Promise<void> {
  if (!sink.writableNeedDrain || sink.destroyed || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      sink.off("drain", done).off("close", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    sink.on("drain", done).on("close", done);
    signal.addEventListener("abort", done);
  });
}

/** The responses of a call, decoded; the call is cancelled when the reader leaves early. */
export async function* readResponses<T>(
  call: Readable & { cancel(): void },
  decode: (bytes: Buffer) => T,
): AsyncGenerator<T, void, undefined> {
  try {
    for await (const bytes of call) yield decode(bytes);
  } finally {
    call.cancel();
  }
}

/** The requests of a call, decoded, until its caller ends them. Fails with the signal's reason when the call ends before. */
export async function* readRequests<T>(
  call: Readable,
  decode: (bytes: Buffer) => T,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  // A stream whose caller has gone neither ends nor fails by itself.
  const end = () => call.destroy(signal.reason);
  signal.addEventListener("abort", end, { once: true });
  try {
    signal.throwIfAborted();
    // Who stops reading may still have something to say, on the same stream: leaving the loop must not destroy it.
    for await (const bytes of call.iterator({ destroyOnReturn: false })) yield decode(bytes);
    // A call that is cancelled looks like one whose requests are complete until Node has closed its HTTP/2 stream,
    // which it does right after the stream's end. What was cut off must not be taken for a whole.
    await new Promise(setImmediate);
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", end);
  }
}
