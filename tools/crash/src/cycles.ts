import { setTimeout as sleep } from "node:timers/promises";
import { KeyedMutex, mapConcurrent } from "@shoal/concurrency";
import { keepOldAnswersComing } from "./old-answers.ts";
import type { Cycle } from "./plan.ts";
import type { Stage } from "./stage.ts";

/** Crashes at work at once: those of one instance take turns. */
const concurrency = 4;

/** What crashes again and again. The second instances are started again at once, so that one of each service goes on. */
const firstInstances: readonly string[] = ["order", "inventory", "user"];

/** What a cycle crashes, in words. */
export function describeCycle(cycle: Cycle): string {
  switch (cycle.kind) {
    case "point":
      return `${cycle.instance} at ${cycle.point}`;
    case "kill":
      return `${cycle.instance} at any moment`;
    case "database":
      return "the database at any moment";
  }
}

/**
 * Goes through the cycles: crashes what they say, and starts it again, by the next cycle of the same instance at the latest; in
 * the end all run. `onEnd` is told of each, and `onDatabase` called when the database is back. Rejects with the first that did not
 * come about.
 */
export async function runCycles(
  plan: readonly Cycle[],
  stage: Stage,
  signal: AbortSignal,
  {
    onEnd,
    onDatabase,
  }: { readonly onEnd: (cycle: Cycle, tookMs: number) => void; readonly onDatabase: () => Promise<void> },
): Promise<void> {
  const lanes = new KeyedMutex<string>();
  const perform = async (cycle: Cycle): Promise<void> => {
    signal.throwIfAborted();
    const began = performance.now();
    if (cycle.kind === "point") await crashAtPoint(cycle, stage);
    else {
      await sleep(cycle.afterMs, undefined, { signal });
      if (cycle.kind === "database") await crashDatabase(cycle, stage, onDatabase);
      else await stage.instances.kill(cycle.instance);
    }
    if (cycle.kind !== "database" && !firstInstances.includes(cycle.instance))
      await stage.instances.revive(cycle.instance);
    onEnd(cycle, performance.now() - began);
  };
  const performing = mapConcurrent(inTurn(plan), concurrency, (cycle) =>
    lanes.run(laneOf(cycle), () => perform(cycle)),
  );
  for await (const _ of performing);
  await Promise.all(firstInstances.map((instance) => stage.instances.revive(instance)));
}

/** Cycles with the same one do not overlap. */
function laneOf(cycle: Cycle): string {
  return cycle.kind === "database" ? "database" : cycle.instance;
}

async function* inTurn(plan: readonly Cycle[]): AsyncGenerator<Cycle, void, undefined> {
  yield* plan;
}

async function crashAtPoint({ instance, point, nth }: Cycle & { readonly kind: "point" }, stage: Stage): Promise<void> {
  await using _food = point === "mid-prune" ? keepOldAnswersComing(stage.databases.order) : undefined;
  await stage.instances.crashAt(instance, point, nth);
}

async function crashDatabase(
  { awayMs }: Cycle & { readonly kind: "database" },
  { server }: Stage,
  onDatabase: () => Promise<void>,
): Promise<void> {
  if (server === undefined) return;
  await server.kill();
  await sleep(awayMs);
  await server.restart();
  await onDatabase();
}
