import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { runCycles } from "./cycles.ts";
import type { Cycle } from "./plan.ts";

const crash = (instance: string): Cycle => ({ kind: "point", instance, point: "after-commit", nth: 1 });

test("when a crash does not come about the others are ended, and then the run", async () => {
  const ended: string[] = [];
  const running = run(
    [crash("inventory"), crash("order"), crash("user"), crash("inventory")],
    async (instance, signal) => {
      if (instance === "order") throw new Error("the order service has not come to that");
      await once(signal, "abort");
      await nextTurn();
      ended.push(instance);
      throw signal.reason;
    },
  );
  await assert.rejects(running, /the order service has not come to that/);
  assert.deepEqual(ended, ["inventory", "user"]);
});

test("one instance that is slow to crash keeps none of the others", async () => {
  const crashed: string[] = [];
  const last = Promise.withResolvers<void>();
  await run([...Array.from({ length: 5 }, () => crash("order")), crash("user")], async (instance) => {
    if (instance === "user") last.resolve();
    else await last.promise;
    crashed.push(instance);
  });
  assert.deepEqual(crashed, ["user", "order", "order", "order", "order", "order"]);
});

test("the crashes of one that is quick are spread over the whole run", async () => {
  const crashed: string[] = [];
  const rounds = 20;
  const plan = Array.from({ length: rounds }, () => [crash("order"), crash("order"), crash("user")]).flat();
  await run(plan, async (instance) => {
    if (instance === "order") await nextTurn();
    crashed.push(instance);
  });
  assert.ok(crashed.lastIndexOf("user") > rounds * 2.5, crashed.join(" "));
});

/** Goes through a plan with instances that crash as `crashAt` says. */
async function run(plan: readonly Cycle[], crashAt: (instance: string, signal: AbortSignal) => Promise<void>) {
  const instances = {
    crashAt: (instance: string, _point: string, _nth: number, signal: AbortSignal) => crashAt(instance, signal),
    kill: async () => {},
    revive: async () => {},
  };
  const stage = { instances, server: undefined, databases: { user: "", inventory: "", order: "" } };
  const events = { onEnd: () => {}, onDatabase: async () => {} };
  await runCycles(plan, stage, new AbortController().signal, events);
}
