import assert from "node:assert/strict";
import { test } from "node:test";
import { needsDatabaseServer } from "@shoal/testkit";
import { findDatabaseServerBinary } from "@shoal/testkit/database-server-process";
import { planEveryPointOnce } from "./plan.ts";
import { runCrashes } from "./run.ts";

const needs =
  findDatabaseServerBinary() === undefined ? { skip: "no server that may be killed" } : needsDatabaseServer();

/** More than what is waited for within: a minute each for a point and a start, and a minute and a half for what is left then. */
const timeout = 300_000;

test("nothing that was acknowledged is lost when a service crashes at each point that there is, and the database too", {
  ...needs,
  timeout,
}, async (t) => {
  const plan = planEveryPointOnce(1);
  // Each step is a test that has passed when it is told of: this one says nothing for longer than a test may.
  const progress = (doing: string) => void t.test(doing, () => {});
  const { crashes, orders, violations } = await runCrashes({
    plan,
    seed: 1,
    database: undefined,
    signal: t.signal,
    progress,
  });
  assert.deepEqual(violations, []);
  assert.equal(crashes.all.length, plan.length);
  assert.ok(orders > plan.length, "orders were placed all the time");
});
