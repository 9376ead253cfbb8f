import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "@shoal/testkit";
import type { CgroupCpu } from "./cgroup-cpu.ts";
import { type ProcessLoad, ProcessLoadWatch } from "./process-load.ts";

const intervalMs = 50;
/** Each burst keeps the event loop for so long, in milliseconds. */
const burstMs = 60;

/** Keeps the event loop busy, in bursts, until it is told to stop. */
function keepBusy(): () => void {
  let isOver = false;
  const burst = () => {
    const from = performance.now();
    while (performance.now() - from < burstMs);
    if (!isOver) setImmediate(burst);
  };
  setImmediate(burst);
  return () => {
    isOver = true;
  };
}

test("sees a busy event loop, and that it is busy no more", async (t) => {
  const looks: { readonly load: ProcessLoad; readonly isTooMuch: boolean }[] = [];
  const watch = new ProcessLoadWatch({
    intervalMs,
    maxEventLoopUtilization: 0.9,
    maxEventLoopDelayMs: 20,
    maxCpuUtilization: 1_000,
    onLoad: (load, isTooMuch) => looks.push({ load, isTooMuch }),
  });
  t.after(() => watch.stop());
  assert.deepEqual(watch.load, { eventLoopDelayMs: 0, eventLoopUtilization: 0, cpuUtilization: 0 });

  const rest = keepBusy();
  t.after(rest);
  await until("too much is seen", () => looks.at(-1)?.isTooMuch === true);
  const { eventLoopDelayMs, eventLoopUtilization, cpuUtilization } = watch.load;
  assert.ok(eventLoopDelayMs >= 20, String(eventLoopDelayMs));
  assert.ok(eventLoopUtilization >= 0.9 && eventLoopUtilization <= 1, String(eventLoopUtilization));
  assert.ok(cpuUtilization >= 0, String(cpuUtilization));

  rest();
  await until("calm is seen", () => looks.at(-1)?.isTooMuch === false);
  await until("it has little to do", () => watch.load.eventLoopUtilization < 0.5 && watch.load.eventLoopDelayMs < 20);
  for (const { load, isTooMuch } of looks)
    assert.equal(isTooMuch, load.eventLoopUtilization >= 0.9 && load.eventLoopDelayMs >= 20);
});

test("an event loop that is busy, but not late, has not too much to do", async (t) => {
  let looks = 0;
  const seen = new Set<boolean>();
  const watch = new ProcessLoadWatch({
    intervalMs,
    maxEventLoopDelayMs: 60_000,
    maxCpuUtilization: 1_000,
    onLoad: (load, isTooMuch) => {
      if (load.eventLoopUtilization < 0.95) return;
      looks += 1;
      seen.add(isTooMuch);
    },
  });
  t.after(() => watch.stop());
  t.after(keepBusy());
  await until("it is seen to be busy", () => looks >= 3);
  assert.deepEqual(seen, new Set([false]));
});

test("looks at every turn of an event loop whose turns last longer than the interval, and sees how late it is", async (t) => {
  const delays: number[] = [];
  const watch = new ProcessLoadWatch({ intervalMs, onLoad: ({ eventLoopDelayMs }) => delays.push(eventLoopDelayMs) });
  t.after(() => watch.stop());
  t.after(keepBusy());
  await sleep(20 * burstMs);
  assert.ok(delays.length >= 10, `${delays.length} looks in twenty turns`);
  for (const delayMs of delays.slice(3)) assert.ok(delayMs >= 20, `not late after ${delays}`);
});

/** A watch of a process whose control group says what `read` answers, and what it is asked for. */
function watchOf(t: TestContext, read: () => CgroupCpu | undefined) {
  const seen = { looks: 0, reads: 0, tooMuch: 0 };
  const watch = new ProcessLoadWatch(
    {
      intervalMs: 10,
      maxEventLoopDelayMs: 60_000,
      onLoad: (_, isTooMuch) => {
        seen.looks += 1;
        if (isTooMuch) seen.tooMuch += 1;
      },
    },
    async () => {
      seen.reads += 1;
      return read();
    },
  );
  t.after(() => watch.stop());
  const looksMore = async (looks: number) => {
    const before = seen.looks;
    while (seen.looks < before + looks) await sleep(5);
  };
  return { watch, seen, looksMore };
}

test("what a control group with a limit has used is read at each look, after a read that failed too", async (t) => {
  const cpus = 0.5;
  const { watch, seen, looksMore } = watchOf(t, () =>
    seen.reads === 3 ? undefined : { usedMs: performance.now() * cpus, cpus },
  );
  await looksMore(10);
  assert.ok(seen.reads >= 9, `${seen.reads} reads`);
  assert.ok(watch.load.cpuUtilization > 0.9 && watch.load.cpuUtilization < 1.1, String(watch.load.cpuUtilization));
  assert.ok(seen.tooMuch > 0);
});

for (const [what, unlimited] of [
  ["without a limit", { usedMs: 0, cpus: Number.POSITIVE_INFINITY }],
  ["that cannot be read", undefined],
] as const)
  test(`a control group ${what} is asked once a minute whether it has one`, async (t) => {
    const now = performance.now.bind(performance);
    let skippedMs = 0;
    t.mock.method(performance, "now", () => now() + skippedMs);
    let cpu: CgroupCpu | undefined = unlimited;
    const { watch, seen, looksMore } = watchOf(t, () => cpu);
    await looksMore(10);
    assert.deepEqual([seen.reads, watch.load.cpuUtilization], [1, 0]);
    skippedMs += 60_000;
    await looksMore(10);
    assert.deepEqual([seen.reads, watch.load.cpuUtilization], [2, 0]);

    // What it used when it had no limit does not count.
    cpu = { usedMs: 1e9, cpus: 1 };
    skippedMs += 60_000;
    await looksMore(10);
    assert.ok(seen.reads >= 9, `${seen.reads} reads`);
    assert.deepEqual([seen.tooMuch, watch.load.cpuUtilization], [0, 0]);
  });

test("tells nothing once it is stopped, however often that is said", async () => {
  let looks = 0;
  const watch = new ProcessLoadWatch({ intervalMs: 10, onLoad: () => (looks += 1) });
  await until("it has looked", () => looks > 0);
  watch.stop();
  const before = looks;
  watch.stop();
  await sleep(100);
  assert.equal(looks, before);
});

for (const [what, end] of [
  ["a watch that is stopped", "watch.stop();"],
  ["a watch that nobody stops", ""],
] as const) {
  test(`${what} does not keep its process`, async () => {
    const file = new URL("./process-load.ts", import.meta.url);
    const script = `
      import { ProcessLoadWatch } from ${JSON.stringify(file.href)};
      let looks = 0;
      const watch = new ProcessLoadWatch({ intervalMs: 10, onLoad: () => (looks += 1) });
      const kept = setInterval(() => {
        if (looks === 0) return;
        clearInterval(kept);
        ${end}
      }, 10);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: "inherit" });
    const [code] = await once(child, "exit");
    assert.equal(code, 0);
  });
}

test("refuses options out of range, and names them", () => {
  const onLoad = () => {};
  for (const [options, name] of [
    [{ intervalMs: 9 }, /intervalMs/],
    [{ intervalMs: 60_001 }, /intervalMs/],
    [{ maxEventLoopDelayMs: 0 }, /maxEventLoopDelayMs/],
    [{ maxEventLoopUtilization: 0 }, /maxEventLoopUtilization/],
    [{ maxEventLoopUtilization: 1.1 }, /maxEventLoopUtilization/],
    [{ maxCpuUtilization: 0 }, /maxCpuUtilization/],
    [{ maxCpuUtilization: Number.NaN }, /maxCpuUtilization/],
  ] as const) {
    assert.throws(
      () => new ProcessLoadWatch({ ...options, onLoad }),
      (error) => error instanceof RangeError && name.test(error.message),
    );
  }
});
