import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { until } from "@shoal/testkit";
import { ProcessShedder } from "./process-shedder.ts";

const { signal } = new AbortController();

/** Leaves the event loop no time until the answered function is called, or the test is over. */
function keepBusy(t: TestContext): () => void {
  let isOver = false;
  const rest = () => {
    isOver = true;
  };
  t.after(rest);
  const burst = () => {
    const from = performance.now();
    while (performance.now() - from < 60);
    if (!isOver) setImmediate(burst);
  };
  burst();
  return rest;
}

test("a process with too much to do lets in fewer calls, and no sheddable ones wait, until it has less to do", async (t) => {
  const shedder = new ProcessShedder({
    initialLimit: 100,
    minLimit: 10,
    process: { intervalMs: 50, maxEventLoopUtilization: 0.9, maxEventLoopDelayMs: 20, maxCpuUtilization: 1_000 },
  });
  t.after(() => shedder.stop());
  const call = { path: "/a", priority: "critical" as const, deadline: Number.POSITIVE_INFINITY, signal };
  for (let n = 0; n < 100; n += 1) shedder.enter(call);
  assert.equal(shedder.refuses("sheddable"), false);

  const rest = keepBusy(t);
  await until("the limit has fallen", () => shedder.limit < 100 && shedder.refuses("sheddable"));
  assert.ok(shedder.load.eventLoopDelayMs >= 20, String(shedder.load.eventLoopDelayMs));
  const soon = { ...call, priority: "critical" as const, deadline: Date.now() + 10 };
  assert.throws(() => shedder.enter(soon), { reason: "DEADLINE_EXCEEDED" });

  rest();
  await until("sheddable calls may wait again", () => !shedder.refuses("sheddable"));
  assert.ok(shedder.limit >= 10, String(shedder.limit));
});

test("one that is stopped while the process has too much to do decides by latency only", async (t) => {
  const shedder = new ProcessShedder({
    minLimit: 1,
    initialLimit: 1,
    process: { intervalMs: 50, maxEventLoopUtilization: 0.9, maxEventLoopDelayMs: 20, maxCpuUtilization: 1_000 },
  });
  t.after(() => shedder.stop());
  const rest = keepBusy(t);
  await until("it is seen to be late", () => shedder.load.eventLoopDelayMs >= 20);
  rest();
  shedder.stop();
  const admitted = await shedder.enter({ path: "/a", priority: "critical", deadline: Date.now() + 15, signal });
  assert.equal(shedder.refuses("sheddable"), false);
  admitted.end(true);
});
