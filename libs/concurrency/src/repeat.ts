import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { maxDelayMs, requireInteger } from "@shoal/kernel";
import { isAtWork, isIdle } from "./at-work.ts";

/** How {@link repeat} runs its work. */
export interface RepeatOptions {
  /** The pause between the end of one run and the start of the next, in milliseconds, 1 to 2,147,483,647. */
  readonly intervalMs: number;
  /** Told of a run that failed; the next run comes all the same. What it throws is ignored. */
  readonly onError: (error: unknown) => void;
  /** What `tasksAtWork` calls a run. Default: `repeat`. */
  readonly name?: string;
}

/** Work that repeats until it is stopped. */
export interface Repeating {
  /** Aborts the run at work and the pause, and resolves when nothing runs any more. May be called again. */
  stop(): Promise<void>;
}

/**
 * Runs `work` again and again, never twice at a time, the first time after one interval. `work` gets a signal that
 * aborts on stop, and answers `true` when there is more to do at once, which skips the pause. The caller stops it.
 * Throws a `RangeError` for an interval out of range.
 */
export function repeat(work: (signal: AbortSignal) => Promise<boolean>, options: RepeatOptions): Repeating {
  requireInteger("intervalMs", options.intervalMs, 1, maxDelayMs);
  const controller = new AbortController();
  const { signal } = controller;
  const runs = new Set<{ readonly startedAt: number }>();
  const scope = { name: options.name ?? "repeat", children: runs };
  isAtWork(scope);
  const running = (async () => {
    let more = false;
    while (!signal.aborted) {
      if (!more) await sleep(options.intervalMs, undefined, { signal }).catch(() => {});
      // Work that never waits for anything must not keep the process from everything else.
      else await setImmediate();
      if (signal.aborted) return;
      const run = { startedAt: performance.now() };
      runs.add(run);
      try {
        more = await work(signal);
      } catch (error) {
        more = false;
        if (!signal.aborted) tell(options, error);
      } finally {
        runs.delete(run);
      }
    }
  })().finally(() => isIdle(scope));
  return {
    stop: () => {
      controller.abort();
      return running;
    },
  };
}

function tell({ onError }: RepeatOptions, error: unknown): void {
  try {
    onError(error);
  } catch {
    // Nobody waits for the repetition but `stop`, so this would end the process.
  }
}
