import assert from "node:assert/strict";
import { test } from "node:test";
import { crashPoints } from "@shoal/kernel";
import { type Cycle, planCycles, planEveryPointOnce } from "./plan.ts";

const where = (cycle: Cycle) => (cycle.kind === "point" ? `${cycle.instance} ${cycle.point}` : cycle.kind);

test("200 cycles crash every service at every point that it has, kill instances, and the database 20 times", () => {
  const plan = planCycles(200, 1);
  assert.equal(plan.length, 200);
  const times = Map.groupBy(plan, where);
  for (const point of Object.keys(crashPoints)) {
    const crashed = [...times].filter(([what]) => what.endsWith(` ${point}`));
    assert.ok(crashed.length > 0, point);
    for (const [what, cycles] of crashed) assert.ok(cycles.length >= 3, what);
  }
  for (const service of ["order", "inventory", "user"])
    assert.ok((times.get(`${service} after-commit`) ?? []).length >= 3);
  assert.equal(times.get("database")?.length, 20);
  assert.equal(times.get("kill")?.length, 26);
});

test("the same seed plans the same, another one otherwise", () => {
  assert.deepEqual(planCycles(50, 7), planCycles(50, 7));
  assert.notDeepEqual(planCycles(50, 7), planCycles(50, 8));
});

test("once through has every point that there is, each service, and the database", () => {
  const plan = planEveryPointOnce(3);
  const points = plan.flatMap((cycle) => (cycle.kind === "point" ? [cycle.point] : []));
  assert.deepEqual(points.sort(), Object.keys(crashPoints).sort());
  const crashed = new Set(plan.map((cycle) => (cycle.kind === "point" ? cycle.instance : cycle.kind)));
  assert.deepEqual([...crashed].sort(), ["database", "inventory", "order", "order-2", "user"]);
});
