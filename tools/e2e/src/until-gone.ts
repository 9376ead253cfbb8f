import { until } from "@shoal/testkit";

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
