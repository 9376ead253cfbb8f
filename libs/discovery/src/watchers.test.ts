import assert from "node:assert/strict";
import { test } from "node:test";
import { bareInstance } from "./instance.ts";
import { Recorder } from "./recorder.contract.ts";
import type { RegistryListener } from "./registry.ts";
import { Watchers } from "./watchers.ts";

const [one, two] = [bareInstance("order", "a:1"), bareInstance("order", "b:1")];

function watched() {
  const listeners: RegistryListener[] = [];
  const watchers = new Watchers((_, listener) => {
    listeners.push(listener);
    return () => {};
  });
  const recorder = new Recorder();
  watchers.watch("order", recorder);
  const [listener] = listeners;
  assert.ok(listener);
  return { watchers, listener, recorder };
}

test("the same in another order is told once, and a change in any field is one", async () => {
  const { listener, recorder } = watched();
  listener.onInstances([one, two]);
  await recorder.untilAddresses("a:1", "b:1");
  listener.onInstances([two, one]);
  assert.equal(recorder.count, 1);
  listener.onInstances([two, { ...one, zone: "b" }]);
  assert.equal(recorder.count, 2);
});

test("an error is told once until it is another, and after it the same instances are told again", async () => {
  const { listener, recorder } = watched();
  listener.onInstances([one]);
  await recorder.untilAddresses("a:1");
  listener.onError(new Error("away"));
  listener.onError(new Error("away"));
  listener.onError(new Error("silent"));
  assert.deepEqual(
    recorder.errors.map(({ message }) => message),
    ["away", "silent"],
  );
  listener.onInstances([one]);
  assert.equal(recorder.count, 2);
  listener.onError(new Error("silent"));
  assert.equal(recorder.errors.length, 3);
});

test("a late watcher is told once, also when an answer comes before its turn", async () => {
  const { watchers, listener } = watched();
  listener.onInstances([one]);
  const late = new Recorder();
  watchers.watch("order", late);
  listener.onInstances([one, two]);
  await late.untilAddresses("a:1", "b:1");
  assert.equal(late.count, 1);
});

test("who ends its watch in the turn in which it began is told nothing", async () => {
  const { watchers, listener } = watched();
  const never = new Recorder();
  const end = watchers.watch("order", never);
  listener.onInstances([one]);
  end();
  await new Promise(setImmediate);
  assert.equal(never.count, 0);
});
