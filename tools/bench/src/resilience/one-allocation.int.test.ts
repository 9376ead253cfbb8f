import assert from "node:assert/strict";
import { test } from "node:test";
import { startWorker } from "../rpc/processes.ts";
import type { WorkloadTasks } from "./workload-process.ts";

/** On a busy machine it takes Node a while to compile what it measures: only then does it allocate no more than it must. */
const maxTries = 50;

/** The least that is allocated for it, as soon as that is below `enough`, so that neither compiling nor the test itself counts. */
async function bytesOf(workload: string, enough: number): Promise<number> {
  await using worker = startWorker<WorkloadTasks>("../resilience/workload-process.ts", workload);
  await worker.ask("prepare");
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < maxTries && least >= enough; tries += 1)
    least = Math.min(least, (await worker.ask("measure", 0.2)).bytes);
  return least;
}

/** A header of three words, and three fields. */
const permitBytes = 48;
/** The smallest object there is, a boxed number. */
const smallestObjectBytes = 16;

test("a call through a breaker allocates its permit and nothing else, and a refusal nothing", async () => {
  for (const workload of ["closed", "closed-count", "closed-slow", "throttle"]) {
    const enough = permitBytes + smallestObjectBytes / 2;
    const bytes = await bytesOf(`breaker.${workload}`, enough);
    assert.ok(bytes < enough, `${workload}: ${bytes} bytes a call`);
  }
  for (const workload of ["open", "throttle-refusing"]) {
    const enough = smallestObjectBytes / 2;
    const bytes = await bytesOf(`breaker.${workload}`, enough);
    assert.ok(bytes < enough, `${workload}: ${bytes} bytes a refusal`);
  }
});
