import { setTimeout as sleep } from "node:timers/promises";
import { KeyedMutex, Semaphore, withTaskScope } from "@shoal/concurrency";
import type { Instances } from "./instances.ts";
import { keepOldAnswersComing } from "./old-answers.ts";
import type { Cycle } from "./plan.ts";
import type { Stage } from "./stage.ts";

/**
 * Crashes in hand at once. Those of one instance take turns, so that fewer are at work; and what crashes seldom does so all
 * through the plan, and not at its beginning.
 */
const inHand = 8;

/** What crashes again and again. The second instances are started again at once, so that one of each service goes on. */
const firstInstances: readonly string[] = ["order", "inventory", "user"];

/** What the cycles crash. */
export interface CycleStage extends Pick<Stage, "databases" | "server"> {
  readonly instances: Pick<Instances, "crashAt" | "kill" | "revive">;
}

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
 * come about, or the reason of `signal`, when none is at work any more.
 */
export async function runCycles(
  plan: readonly Cycle[],
  stage: CycleStage,
  signal: AbortSignal,
  {
    onEnd,
    onDatabase,
  }: { readonly onEnd: (cycle: Cycle, tookMs: number) => void; readonly onDatabase: () => Promise<void> },
): Promise<void> {
  const perform = async (cycle: Cycle, signal: AbortSignal): Promise<void> => {
    const began = performance.now();
    if (cycle.kind === "point") await crashAtPoint(cycle, stage, signal);
    else {
      await sleep(cycle.afterMs, undefined, { signal });
      if (cycle.kind === "database") await crashDatabase(cycle, stage, onDatabase);
      else await stage.instances.kill(cycle.instance, signal);
    }
    if (cycle.kind !== "database" && !firstInstances.includes(cycle.instance))
      await stage.instances.revive(cycle.instance, signal);
    onEnd(cycle, performance.now() - began);
  };
  await withTaskScope(
    async (scope) => {
      const hands = new Semaphore({ permits: inHand });
      const lanes = new KeyedMutex<string>();
      for (const cycle of plan) {
        const hand = await hands.acquire({ signal: scope.signal });
        void scope.spawn(async (signal) => {
          using _hand = hand;
          await lanes.run(laneOf(cycle), () => perform(cycle, signal), { signal });
        });
      }
    },
    { signal },
  );
  await Promise.all(firstInstances.map((instance) => stage.instances.revive(instance, signal)));
}

/** Cycles with the same one do not overlap. */
function laneOf(cycle: Cycle): string {
  return cycle.kind === "database" ? "database" : cycle.instance;
}

async function crashAtPoint(
  { instance, point, nth }: Cycle & { readonly kind: "point" },
  stage: CycleStage,
  signal: AbortSignal,
): Promise<void> {
  await using _food = point === "mid-prune" ? keepOldAnswersComing(stage.databases.order) : undefined;
  await stage.instances.crashAt(instance, point, nth, signal);
}

async function crashDatabase(
  { awayMs }: Cycle & { readonly kind: "database" },
  { server }: CycleStage,
  onDatabase: () => Promise<void>,
): Promise<void> {
  if (server === undefined) return;
  await server.kill();
  // In any case: what ends the run needs the server.
  await sleep(awayMs);
  await server.restart();
  await onDatabase();
}
