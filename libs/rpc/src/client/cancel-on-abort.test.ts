import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { cancelOn, release } from "./cancel-on-abort.ts";

test("a signal that aborts cancels its calls, but not those that were released", () => {
  const cancelled: string[] = [];
  const call = (name: string) => ({ cancel: () => void cancelled.push(name) });
  const [one, two, three] = [call("one"), call("two"), call("three")];
  const controller = new AbortController();
  const { signal } = controller;
  for (const each of [one, two, three]) cancelOn(signal, each);
  release(signal, two);
  assert.equal(getEventListeners(signal, "abort").length, 1);
  controller.abort();
  controller.abort();
  assert.deepEqual(cancelled, ["one", "three"]);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("no signal cancels nothing", () => {
  const call = { cancel: () => assert.fail("it was cancelled") };
  cancelOn(undefined, call);
  release(undefined, call);
  release(new AbortController().signal, call);
});
