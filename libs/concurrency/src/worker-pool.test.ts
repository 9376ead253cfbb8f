import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { createContext, currentContext, runWithContext } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import { TestedWork } from "./fixture-work.ts";
import { ClosedError, DiscardedError, QueueFullError, WaitTimeoutError } from "./refusals.ts";
import { WorkerPool } from "./worker-pool.ts";

const turn = () => new Promise(setImmediate);

test("does as much at once as it has workers, and the rest in order", async () => {
  const pool = new WorkerPool({ workers: 2 });
  const works = [1, 2, 3].map(() => new TestedWork<number>(true));
  const answers = works.map((work) => pool.run(work.work));
  assert.deepEqual([pool.running, pool.queued], [2, 1]);
  works[1]?.succeed(2);
  assert.equal(await answers[1], 2);
  assert.equal(works[2]?.started, true);
  works[0]?.succeed(1);
  works[2]?.succeed(3);
  assert.deepEqual(await Promise.all(answers), [1, 2, 3]);
});

test("work that fails, at once or later, fails for its caller and frees its worker", async () => {
  const pool = new WorkerPool({ workers: 1 });
  await assert.rejects(
    pool.run(() => {
      throw new Error("at once");
    }),
    /at once/,
  );
  await assert.rejects(
    pool.run(() => Promise.reject(new Error("later"))),
    /later/,
  );
  assert.equal(await pool.run(() => 1), 1);
});

test("refuses new work when the queue is full", async () => {
  const pool = new WorkerPool({ workers: 1, maxQueued: 1 });
  const work = new TestedWork<void>(true);
  const answers = [pool.run(work.work), pool.run(() => {})];
  await assert.rejects(
    pool.run(() => assert.fail("it was started")),
    QueueFullError,
  );
  work.succeed();
  await Promise.all(answers);
});

test("discards the oldest that is queued where it is told to, and never what is running", async () => {
  const pool = new WorkerPool({ workers: 1, maxQueued: 1, whenFull: "discard-oldest" });
  const work = new TestedWork<string>(true);
  const running = pool.run(work.work);
  const oldest = assert.rejects(
    pool.run(() => assert.fail("it was started")),
    DiscardedError,
  );
  const newest = pool.run(() => "newest");
  await oldest;
  work.succeed("running");
  assert.deepEqual(await Promise.all([running, newest]), ["running", "newest"]);
});

test("a caller that leaves is told at once, while its work keeps its worker until it has ended", async () => {
  const clock = new VirtualClock();
  const pool = new WorkerPool({ workers: 1, timers: clock });
  const stubborn = new TestedWork<void>(false);
  const left = assert.rejects(pool.run(stubborn.work, { timeoutMs: 10 }), WaitTimeoutError);
  const next = new TestedWork<void>(true);
  const following = pool.run(next.work);
  await clock.advance(10);
  await left;
  assert.deepEqual([stubborn.aborted, next.started, pool.running], [true, false, 1]);
  stubborn.succeed();
  await turn();
  assert.equal(next.started, true);
  next.succeed();
  await following;
  assert.equal(clock.pending, 0);
});

test("queued work runs in its own caller's context, with a signal that its caller's ends", async () => {
  const pool = new WorkerPool({ workers: 1 });
  const tenant = new AsyncLocalStorage<string>();
  const first = new TestedWork<void>(true);
  const running = tenant.run("first", () => pool.run(first.work));
  const call = new AbortController();
  const context = createContext({ requestId: "second", signal: call.signal });
  const second = tenant.run("second", () =>
    runWithContext(context, () =>
      pool.run((signal) => {
        assert.equal(currentContext()?.signal, signal);
        call.abort(new Error("caller gone"));
        assert.equal(signal.aborted, true);
        assert.deepEqual([tenant.getStore(), currentContext()?.requestId], ["second", "second"]);
      }),
    ),
  );
  first.succeed();
  await running;
  await assert.rejects(second, /caller gone/);
});

test("closing does what is queued, and refuses what comes", async () => {
  const pool = new WorkerPool({ workers: 1 });
  const work = new TestedWork<number>(true);
  const answers = [pool.run(work.work), pool.run(() => 2)];
  const closing = pool.close();
  await assert.rejects(
    pool.run(() => 3),
    ClosedError,
  );
  work.succeed(1);
  assert.deepEqual(await Promise.all(answers), [1, 2]);
  await closing;
  await pool.close();
});

test("shutting down refuses what is queued, aborts what runs, and answers how much did not end", async () => {
  const clock = new VirtualClock();
  const pool = new WorkerPool({ workers: 2, timers: clock });
  const stubborn = new TestedWork<void>(false);
  const refusals = [
    pool.run(stubborn.work),
    pool.run(new TestedWork<void>(true).work),
    pool.run(() => assert.fail("it was started")),
  ].map((answer) => assert.rejects(answer, ClosedError));
  const left = pool.shutdown(100);
  await clock.advance(100);
  assert.equal(await left, 1);
  await Promise.all(refusals);
  stubborn.succeed();
  await clock.advance(0);
  assert.deepEqual([pool.running, clock.pending], [0, 0]);
});

test("refuses options out of range", () => {
  assert.throws(() => new WorkerPool({ workers: 0 }), /workers must be/);
  assert.throws(() => new WorkerPool({ workers: 1, maxQueued: -1 }), /maxQueued must be/);
  assert.throws(() => new WorkerPool({ workers: 1, whenFull: "caller-runs" as "abort" }), /whenFull must be one of/);
});
