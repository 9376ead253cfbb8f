import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.ts";

const options = { durationMs: 5, inFlight: 4 };

test("keeps so many calls in flight, one of each caller, and counts those that were answered", async () => {
  let running = 0;
  let most = 0;
  let answered = 0;
  const echo = async (name: string) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    answered += 1;
    return name;
  };
  const { calls, elapsedMs, p50Ms, p99Ms } = await load({ echo }, options);
  assert.equal(most, 4);
  assert.equal(calls, answered);
  assert.ok(elapsedMs >= 5 && p50Ms > 0 && p99Ms >= p50Ms);
});

test("fails for an answer to something else, and for a call that fails", async () => {
  await assert.rejects(load({ echo: async () => "another" }, options), /sent "Parcel 0 .*", was answered "another"/);
  await assert.rejects(load({ echo: () => Promise.reject(new Error("refused")) }, options), /refused/);
});

test("runs each caller in what surrounds it", async () => {
  let surrounded = 0;
  const around = async (calls: () => Promise<void>) => {
    surrounded += 1;
    await calls();
  };
  await load({ echo: async (name) => name, around }, { durationMs: 1, inFlight: 3 });
  assert.equal(surrounded, 3);
});
