import { createHistogram } from "node:perf_hooks";
import type { PeerClient } from "./peer.ts";
import { parcelName } from "./workload.ts";

/** How hard a client is to call. */
export interface LoadOptions {
  readonly durationMs: number;
  /** How many callers there are; each makes its next call when it has the answer to the one before. */
  readonly inFlight: number;
}

/** What came of it. */
export interface LoadResult {
  readonly calls: number;
  /** Until the last answer. */
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Calls for a while, in a closed loop, and answers how it went. Rejects when a call fails or is answered with what was
 * not asked. Latencies are kept to three digits in a histogram of fixed size.
 */
export async function load({ echo, around }: PeerClient, options: LoadOptions): Promise<LoadResult> {
  const { durationMs, inFlight } = options;
  const latencies = createHistogram();
  let begun = 0;
  let calls = 0;
  const startedAt = performance.now();
  const until = startedAt + durationMs;
  const caller = async () => {
    for (let at = startedAt; at < until; ) {
      const name = parcelName(begun++);
      const answered = await echo(name);
      if (answered !== name) throw new Error(`sent "${name}", was answered "${answered}"`);
      calls += 1;
      const now = performance.now();
      latencies.record(Math.max(1, Math.round((now - at) * nanosInMs)));
      at = now;
    }
  };
  const callers = Array.from({ length: inFlight }, () => (around === undefined ? caller() : around(caller)));
  await Promise.all(callers);
  return {
    calls,
    elapsedMs: performance.now() - startedAt,
    p50Ms: latencies.percentile(50) / nanosInMs,
    p99Ms: latencies.percentile(99) / nanosInMs,
  };
}

const nanosInMs = 1_000_000;
