import { setTimeout as sleep } from "node:timers/promises";

/**
 * Asks `probe` every 10 ms until it answers something other than undefined or false, and answers that. Rejects after
 * `timeoutMs` with an `Error` that says what did not come true, and what the probe threw last.
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause });
    await sleep(10);
  }
}
