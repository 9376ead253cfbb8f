import assert from "node:assert/strict";
import { test } from "node:test";
import { Lifecycle } from "./lifecycle.ts";

const fail = (name: string) => assert.fail(`${name} failed to end`);

test("ends the parts one after the other, the last begun first", async () => {
  const lifecycle = new Lifecycle(fail);
  const ended: string[] = [];
  lifecycle.onStop("database", () => ended.push("database"));
  lifecycle.onStop("server", async () => {
    await new Promise(setImmediate);
    ended.push("server");
  });
  await lifecycle.stop();
  assert.deepEqual(ended, ["server", "database"]);
});

test("a part that fails to end is reported and does not keep the others from ending", async () => {
  const failed: string[] = [];
  const lifecycle = new Lifecycle((name) => failed.push(name));
  let closed = false;
  lifecycle.onStop("database", () => {
    closed = true;
  });
  lifecycle.onStop("relay", () => Promise.reject(new Error("stuck")));
  await lifecycle.stop();
  assert.equal(closed, true);
  assert.deepEqual(failed, ["relay"]);
});

test("stopping twice ends each part once", async () => {
  const lifecycle = new Lifecycle(fail);
  let times = 0;
  lifecycle.onStop("database", () => {
    times += 1;
  });
  await Promise.all([lifecycle.stop(), lifecycle.stop()]);
  assert.equal(times, 1);
});

test("nothing may be begun while stopping", async () => {
  const lifecycle = new Lifecycle(fail);
  await lifecycle.stop();
  assert.throws(() => lifecycle.onStop("late", () => {}), /late was started while the process is stopping/);
});
