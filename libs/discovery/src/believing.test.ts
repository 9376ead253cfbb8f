import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import { believing } from "./believing.ts";
import { bareInstance } from "./instance.ts";
import { Recorder } from "./recorder.contract.ts";
import type { Instance, Registry, RegistryListener } from "./registry.ts";

const all = ["a:1", "b:1", "c:1"].map((address) => bareInstance("order", address));

/** A registry that a test speaks for. */
function scripted() {
  const calls: string[] = [];
  let listener: RegistryListener | undefined;
  const registry: Registry = {
    register: async ({ id }) => void calls.push(`register ${id}`),
    deregister: async ({ id }) => void calls.push(`deregister ${id}`),
    watch(service, each) {
      calls.push(`watch ${service}`);
      listener = each;
      return () => void calls.push(`end ${service}`);
    },
    close: async () => void calls.push("close"),
  };
  const timers = new VirtualClock();
  return {
    calls,
    timers,
    cautious: believing(registry, { holdMs: 10_000, timers }),
    answer: (...instances: Instance[]) => listener?.onInstances(instances),
    fail: (message: string) => listener?.onError(new Error(message)),
  };
}

test("an empty answer is told once it has stood for the hold, and nothing is told before", async () => {
  const { cautious, answer, timers } = scripted();
  const recorder = new Recorder();
  cautious.watch("order", recorder);
  answer(...all);
  await recorder.untilAddresses("a:1", "b:1", "c:1");
  await timers.advance(60_000);
  answer();
  await timers.advance(9_999);
  assert.equal(recorder.count, 1);
  await timers.advance(1);
  assert.deepEqual(recorder.addresses, []);
  assert.equal(timers.pending, 0);
});

test("a registry that went empty and has come back is told as nothing at all", async () => {
  const { cautious, answer, timers } = scripted();
  const recorder = new Recorder();
  cautious.watch("order", recorder);
  answer(...all);
  await recorder.untilAddresses("a:1", "b:1", "c:1");
  answer();
  await timers.advance(3_000);
  answer(...all);
  await timers.advance(60_000);
  assert.equal(recorder.count, 1);
  assert.equal(timers.pending, 0);
});

test("an empty answer does not become true while the registry is away", async () => {
  const { cautious, answer, fail, timers } = scripted();
  const recorder = new Recorder();
  cautious.watch("order", recorder);
  answer(...all);
  await recorder.untilAddresses("a:1", "b:1", "c:1");
  answer();
  await timers.advance(6_000);
  fail("away");
  await timers.advance(60_000);
  fail("still away");
  await timers.advance(60_000);
  answer();
  await timers.advance(3_999);
  assert.deepEqual(recorder.addresses, ["a:1", "b:1", "c:1"]);
  await timers.advance(1);
  assert.deepEqual(recorder.addresses, []);
});

test("errors are passed on, and what was known stands", async () => {
  const { cautious, answer, fail } = scripted();
  const recorder = new Recorder();
  cautious.watch("order", recorder);
  answer(...all);
  await recorder.untilAddresses("a:1", "b:1", "c:1");
  fail("away");
  assert.deepEqual(
    recorder.errors.map(({ message }) => message),
    ["away"],
  );
  const late = new Recorder();
  cautious.watch("order", late);
  await late.untilAddresses("a:1", "b:1", "c:1");
  assert.equal(late.errors.length, 1);
});

test("watchers share one watch, which ends with the last of them, its timer included", async () => {
  const { cautious, answer, calls, timers } = scripted();
  const recorder = new Recorder();
  const ends = [cautious.watch("order", recorder), cautious.watch("order", new Recorder())];
  answer(...all);
  await recorder.untilAddresses("a:1", "b:1", "c:1");
  answer();
  assert.equal(timers.pending, 1);
  for (const end of ends) end();
  assert.deepEqual(calls, ["watch order", "end order"]);
  assert.equal(timers.pending, 0);
});

test("announcing goes straight through, and closing closes the other", async () => {
  const { cautious, calls } = scripted();
  const [one] = all;
  assert.ok(one);
  await cautious.register(one);
  await cautious.deregister(one);
  await cautious.close();
  assert.deepEqual(calls, ["register a:1", "deregister a:1", "close"]);
});

test("refuses a hold that is none", () => {
  const { cautious } = scripted();
  for (const holdMs of [-1, 1.5, Number.NaN, 3_600_001])
    assert.throws(() => believing(cautious, { holdMs }), /holdMs must be a whole number from 0 to 3600000/);
});
