import assert from "node:assert/strict";
import { test } from "node:test";
import { crashPoints } from "@shoal/kernel";
import { type Cycle, planCycles, planEveryPointOnce } from "./plan.ts";

const where = (cycle: Cycle) => (cycle.kind === "point" ? `${cycle.instance} ${cycle.point}` : cycle.kind);

test("200 cycles crash every service at every point that it has, kill instances, and the database 20 times", () => {
  const plan = planCycles(200, 1);
  assert.equal(plan.length, 200);
  const times = Map.groupBy(plan, where);
  for (const cycle of planEveryPointOnce(1)) assert.ok((times.get(where(cycle)) ?? []).length >= 3, where(cycle));
  assert.equal(times.get("database")?.length, 20);
  assert.equal(times.get("kill")?.length, 26);
});

test("the same seed plans the same, another one otherwise", () => {
  assert.deepEqual(planCycles(50, 7), planCycles(50, 7));
  assert.notDeepEqual(planCycles(50, 7), planCycles(50, 8));
});

test("once through has every point that there is, each service once at each", () => {
  const plan = planEveryPointOnce(3);
  assert.equal(new Set(plan.map(where)).size, plan.length);
  const points = new Set(plan.flatMap((cycle) => (cycle.kind === "point" ? [cycle.point] : [])));
  assert.deepEqual([...points].sort(), Object.keys(crashPoints).sort());
});
