import type { Bench, BenchSettings } from "../bench.ts";
import { startWorker } from "../rpc/processes.ts";
import { rotated } from "../statistics.ts";
import { type MeasuredWorkload, reportWorkloads } from "./resilience-report.ts";
import type { Cost, WorkloadTasks } from "./workload-process.ts";
import { type ResilienceSubject, type Workload, workloads } from "./workloads.ts";

/** What breakers and rate limits cost a call. */
export const resilienceBench: Bench = {
  name: "resilience",
  what: "what breakers and rate limits cost a call, beside cockatiel and opossum",
  subjects: ["cockatiel", "opossum", "shoal"] satisfies ResilienceSubject[],
  defaults: { rounds: 7, seconds: 0.3 },
  run: async (settings) => {
    const { only, rounds, progress } = settings;
    const always: readonly ResilienceSubject[] = ["bare", "cockatiel"];
    const chosen = workloads.filter(({ subject }) => always.includes(subject) || (only?.includes(subject) ?? true));
    const costs = new Map(chosen.map((workload) => [workload, [] as Cost[]]));
    for (let round = 0; round < rounds; round += 1)
      for (const workload of rotated(chosen, round)) {
        progress(`round ${round + 1} of ${rounds}: ${workload.what}`);
        costs.get(workload)?.push(await measure(workload, settings));
      }
    return reportWorkloads([...costs].map(([workload, found]): MeasuredWorkload => ({ workload, costs: found })));
  },
};

/** In a new process each time: no workload has its code compiled for another one, nor is one lucky for the whole run. */
async function measure({ group, name }: Workload, { seconds, profileDir, signal }: BenchSettings): Promise<Cost> {
  signal.throwIfAborted();
  const script = "../resilience/workload-process.ts";
  await using worker = startWorker<WorkloadTasks>(script, `${group}.${name}`, profileDir);
  const stop = () => void worker[Symbol.asyncDispose]();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await worker.ask("prepare");
    return await worker.ask("measure", seconds);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
