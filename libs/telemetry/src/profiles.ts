import { Session } from "node:inspector/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** How often the processor's profile looks, in microseconds. */
const samplingIntervalMicros = 500;

/** About how many bytes are allocated from one sample of the heap's profile to the next. */
const samplingIntervalBytes = 32_768;

/** Only one profile at a time: a second one would change what the first one sees. */
let isBusy = false;

/** Somebody profiles this process already. */
export class ProfilerBusyError extends Error {
  override readonly name = "ProfilerBusyError";
}

/**
 * What this process spends its processor time on in the next `ms` milliseconds, as the text of a `.cpuprofile`. Ends early when
 * `signal` aborts. Rejects with a {@link ProfilerBusyError} while another profile is taken.
 */
export async function cpuProfile(ms: number, signal: AbortSignal): Promise<string> {
  return await profiling(async (session) => {
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: samplingIntervalMicros });
    await session.post("Profiler.start");
    await pause(ms, signal);
    const { profile } = await session.post("Profiler.stop");
    return JSON.stringify(profile);
  });
}

/** What this process allocates in the next `ms` milliseconds and still keeps then, as the text of a `.heapprofile`; see {@link cpuProfile}. */
export async function heapProfile(ms: number, signal: AbortSignal): Promise<string> {
  return await profiling(async (session) => {
    await session.post("HeapProfiler.startSampling", { samplingInterval: samplingIntervalBytes });
    await pause(ms, signal);
    const { profile } = await session.post("HeapProfiler.stopSampling");
    return JSON.stringify(profile);
  });
}

/** What keeps this process alive, by kind: how many sockets, timers and so on. */
export function activeHandles(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

async function profiling(take: (session: Session) => Promise<string>): Promise<string> {
  if (isBusy) throw new ProfilerBusyError("another profile is being taken; try again when it is over");
  isBusy = true;
  const session = new Session();
  try {
    session.connect();
    return await take(session);
  } finally {
    session.disconnect();
    isBusy = false;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
