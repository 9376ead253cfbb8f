import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { getEventListeners, once } from "node:events";
import { type TestContext, test } from "node:test";
import { until } from "@shoal/testkit";
import { type CpuPoolOptions, createCpuPool } from "./cpu-pool.ts";
import type { CpuTask } from "./fixture-cpu-worker.ts";
import { ClosedError, QueueFullError, WaitTimeoutError } from "./refusals.ts";

const worker = new URL("./fixture-cpu-worker.ts", import.meta.url);

function testedPool(t: TestContext, options: Partial<CpuPoolOptions> = {}) {
  const pool = createCpuPool<CpuTask, number>({ worker, threads: 1, ...options });
  t.after(() => pool.terminate());
  return pool;
}

/** A task that computes until it is told to stop. */
function spinning() {
  const started = new Int32Array(new SharedArrayBuffer(4));
  const stop = new Int32Array(new SharedArrayBuffer(4));
  return {
    task: { kind: "spin", started, stop } as const,
    started: () => Atomics.load(started, 0),
    stop: (answer: number) => Atomics.store(stop, 0, answer),
  };
}

test("a worker written in TypeScript computes what it is asked, and its errors reach the caller", async (t) => {
  const pool = testedPool(t);
  assert.equal(await pool.run({ kind: "primes", below: 1_000 }), 168);
  await assert.rejects(pool.run({ kind: "fail", message: "no such number" }), /TypeError: no such number/);
  assert.equal(await pool.run({ kind: "primes", below: 10 }), 4);
});

test("the event loop goes on while threads compute", async (t) => {
  const pool = testedPool(t, { threads: 2 });
  const one = spinning();
  const other = spinning();
  const answers = Promise.all([pool.run(one.task), pool.run(other.task)]);
  await until("both compute", () => one.started() + other.started() === 2);
  // Only a loop that turns gets here at all; on this thread the tasks would compute for ever.
  for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate);
  assert.equal(pool.running, 2);
  one.stop(7);
  other.stop(8);
  assert.deepEqual(await answers, [7, 8]);
});

test("a task that is left ends its thread, and the next one gets another", async (t) => {
  const pool = testedPool(t);
  const controller = new AbortController();
  const endless = spinning();
  const running = pool.run(endless.task, { signal: controller.signal });
  await until("it computes", () => endless.started() === 1);
  const queued = pool.run({ kind: "primes", below: 100 });
  controller.abort(new Error("gave up"));
  await assert.rejects(running, /gave up/);
  assert.equal(await queued, 25);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("a task that takes too long is ended", async (t) => {
  const pool = testedPool(t);
  const endless = spinning();
  await assert.rejects(pool.run(endless.task, { timeoutMs: 50 }), WaitTimeoutError);
  assert.equal(await pool.run({ kind: "primes", below: 100 }), 25);
});

test("a task that ends its thread fails alone", async (t) => {
  const pool = testedPool(t);
  await assert.rejects(pool.run({ kind: "exit" }), /exit/);
  assert.equal(await pool.run({ kind: "primes", below: 100 }), 25);
});

test("refuses what finds neither a thread nor room to wait", async (t) => {
  const pool = testedPool(t, { maxQueued: 1 });
  const busy = spinning();
  const running = pool.run(busy.task);
  const queued = pool.run({ kind: "primes", below: 100 });
  await assert.rejects(pool.run({ kind: "primes", below: 100 }), QueueFullError);
  busy.stop(1);
  assert.deepEqual(await Promise.all([running, queued]), [1, 25]);
});

test("what is transferred is not copied", async (t) => {
  const pool = testedPool(t);
  const bytes = new ArrayBuffer(1_000);
  assert.equal(await pool.run({ kind: "length", bytes }, { transfer: [bytes] }), 1_000);
  assert.equal(bytes.byteLength, 0);
});

test("closing does what is left, and leaves no thread", async (t) => {
  const pool = testedPool(t);
  const busy = spinning();
  const running = pool.run(busy.task);
  const queued = pool.run({ kind: "primes", below: 100 });
  const closing = pool.close();
  await assert.rejects(pool.run({ kind: "primes", below: 100 }), ClosedError);
  busy.stop(1);
  assert.deepEqual(await Promise.all([running, queued]), [1, 25]);
  await closing;
  await until("no thread is left", () => !process.getActiveResourcesInfo().includes("MessagePort"));
});

test("terminating ends what computes, and leaves no thread", async (t) => {
  const pool = testedPool(t);
  const endless = spinning();
  const running = assert.rejects(pool.run(endless.task), ClosedError);
  const queued = assert.rejects(pool.run({ kind: "primes", below: 100 }), ClosedError);
  await until("it computes", () => endless.started() === 1);
  await pool.terminate();
  await Promise.all([running, queued]);
  await until("no thread is left", () => !process.getActiveResourcesInfo().includes("MessagePort"));
});

test("a worker that does not exist fails the task", async (t) => {
  const pool = testedPool(t, { worker: new URL("./no-such-worker.ts", import.meta.url) });
  const failed = assert.rejects(pool.run({ kind: "primes", below: 100 }), /no-such-worker/);
  const [warning] = await once(process, "warning");
  assert.match(String(warning), /no-such-worker/);
  await failed;
  await assert.rejects(pool.run({ kind: "primes", below: 100 }), /no-such-worker/);
  assert.equal(pool.running, 0);
});

test("100,000 tasks that were left while they waited leave nothing", async (t) => {
  const pool = testedPool(t, { maxQueued: 1_000 });
  const busy = spinning();
  const running = pool.run(busy.task);
  for (let wave = 0; wave < 100; wave += 1) {
    const controller = new AbortController();
    const { signal } = controller;
    const tasks = Array.from({ length: 1_000 }, () =>
      pool.run({ kind: "primes", below: 10 }, { signal, timeoutMs: 60_000 }),
    );
    assert.equal(pool.queued, 1_000);
    controller.abort(new Error("gave up"));
    for (const { status } of await Promise.allSettled(tasks)) assert.equal(status, "rejected");
    assert.equal(getEventListeners(signal, "abort").length, 0);
  }
  assert.deepEqual([pool.running, pool.queued], [1, 0]);
  busy.stop(1);
  assert.equal(await running, 1);
  await pool.close();
  await until("no thread is left", () => !process.getActiveResourcesInfo().includes("MessagePort"));
});

test("refuses options out of range", () => {
  assert.throws(() => createCpuPool({ worker, threads: 0 }), /threads must be/);
  assert.throws(() => createCpuPool({ worker, maxQueued: -1 }), /maxQueued must be/);
  for (const idleMs of [0, 2_147_483_648]) assert.throws(() => createCpuPool({ worker, idleMs }), /idleMs must be/);
});

test("whoever imports the library loads no piscina", async () => {
  const script = `
    await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
    const { createRequire } = await import("node:module");
    process.exitCode = Object.keys(createRequire("/").cache).some((file) => file.includes("piscina")) ? 1 : 0;`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: "inherit" });
  assert.deepEqual(await once(child, "exit"), [0, null]);
});
