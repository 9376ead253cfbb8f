// Does one of the workloads: `workload-process.ts GROUP.NAME`, started and told what to do by resilience-bench.ts.
import { setImmediate } from "node:timers/promises";
import { startMeter } from "../rpc/meter.ts";
import { obeyParent } from "../rpc/parent-link.ts";
import { type Repeat, workloads } from "./workloads.ts";

/** What doing it once costs. */
export interface Cost {
  /** Processor time of the thread, which other processes hardly change; on a machine of its own it is as long by the clock. */
  readonly ns: number;
  /** Allocated in JavaScript's heap. */
  readonly bytes: number;
}

/** What the bench may ask of a workload's process. */
export interface WorkloadTasks {
  /** Makes what is needed. */
  prepare(): Promise<void>;
  /** Does it for so many seconds: for half of that unmeasured first, so that it is compiled. */
  measure(seconds: number): Promise<Cost>;
}

/** How often it is done between two looks at the clock. */
const batch = 2_000;
/** How long it is done at a stretch, in milliseconds. */
const sliceMs = 50;

const [, , id] = process.argv;
const workload = workloads.find(({ group, name }) => `${group}.${name}` === id);
let repeat: Repeat | undefined;

obeyParent<WorkloadTasks>({
  prepare: async () => {
    repeat = await workload?.prepare();
  },
  measure: async (seconds) => {
    if (repeat === undefined) throw new Error(`there is no workload "${id}"`);
    await doFor(repeat, seconds / 2);
    const stop = startMeter();
    const before = process.threadCpuUsage();
    const times = await doFor(repeat, seconds);
    const { user, system } = process.threadCpuUsage(before);
    return { ns: ((user + system) / times) * 1_000, bytes: stop().allocatedBytes / times };
  },
});

/** Answers how many times that was. */
async function doFor(repeat: Repeat, seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1_000;
  let times = 0;
  for (let now = performance.now(); now < until; now = performance.now()) {
    // Now and then it hears whether the bench has ended.
    await setImmediate();
    for (const pause = Math.min(until, now + sliceMs); now < pause; now = performance.now()) {
      await repeat(batch);
      times += batch;
    }
  }
  return times;
}
