import { setTimeout as sleep } from "node:timers/promises";

/**
 * Polls `probe` until it answers something other than undefined or false, and answers that. Rejects after `timeoutMs`
 * with an `Error` that says what did not come true, and what the probe failed with last.
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let failure: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: failure });
    await sleep(20);
  }
}

/** Waits until no process has any of these ids. */
export async function untilGone(pids: readonly number[], timeoutMs?: number): Promise<void> {
  await until(`processes ${pids.join(", ")} are gone`, () => !pids.some(isAlive), timeoutMs);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
