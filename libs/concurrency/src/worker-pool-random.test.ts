import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { historySettings, requireHeld } from "./fixture-histories.ts";
import { TestedCall } from "./fixture-patience.ts";
import { TestedWork } from "./fixture-work.ts";
import { WorkerPool } from "./worker-pool.ts";

const which = fc.nat({ max: 1_000 });
const run = fc.record({
  do: fc.constant("run" as const),
  timeoutMs: fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
  heeds: fc.boolean(),
});
const end = fc.record({ do: fc.constant("end" as const), which, succeeds: fc.boolean() });
const giveUp = fc.record({ do: fc.constant("give up" as const), which });
const advance = fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 6 }) });
const close = fc.record({ do: fc.constant("close" as const) });
const shutdown = fc.record({ do: fc.constant("shutdown" as const), graceMs: fc.integer({ min: 0, max: 20 }) });
const step = fc.oneof(
  { weight: 10, arbitrary: run },
  { weight: 8, arbitrary: end },
  { weight: 5, arbitrary: giveUp },
  { weight: 8, arbitrary: advance },
  { weight: 1, arbitrary: close },
  { weight: 1, arbitrary: shutdown },
);
const history = fc.record({
  workers: fc.integer({ min: 1, max: 3 }),
  maxQueued: fc.integer({ min: 0, max: 4 }),
  whenFull: fc.constantFrom("abort" as const, "discard-oldest" as const),
  steps: fc.array(step, { maxLength: 80, size: "max" }),
});

test("does what it takes in, in order, with no more workers than it has, whatever comes when", async () => {
  const property = fc.asyncProperty(history, async ({ workers, maxQueued, whenFull, steps }) => {
    const clock = new VirtualClock(0);
    const pool = new WorkerPool({ workers, maxQueued, whenFull, timers: clock });
    const jobs: Job[] = [];
    const order: number[] = [];
    const closes: { settled: boolean }[] = [];
    const shutdowns: { readonly left: number; readonly atWork: number }[] = [];
    let shutdownsBegun = 0;
    let closed = false;
    let shut = false;
    let most = 0;

    const running = () => jobs.filter(({ work }) => work.atWork).length;
    const add = (timeoutMs: number | undefined, heeds: boolean) => {
      const refused = closed
        ? "CLOSED"
        : pool.running === workers && pool.queued === maxQueued && (whenFull === "abort" || maxQueued === 0)
          ? "QUEUE_FULL"
          : undefined;
      const discards = refused === undefined && pool.running === workers && pool.queued === maxQueued;
      if (discards) {
        const oldest = jobs.find((job) => job.waits && !job.work.started);
        assert.ok(oldest);
        oldest.expected = "DISCARDED";
      }
      const number = jobs.length;
      const work = new TestedWork<number>(heeds);
      const job: Job = {
        work,
        call: new TestedCall(timeoutMs, (options) =>
          pool.run((signal) => {
            order.push(number);
            const result = work.work(signal);
            most = Math.max(most, running());
            return result;
          }, options),
        ),
        expiresAt: clock.now() + (timeoutMs ?? Number.POSITIVE_INFINITY),
        expected: refused,
        gaveUp: false,
        get waits() {
          return this.call.fate === "waiting" && this.expected === undefined && !this.gaveUp;
        },
      };
      jobs.push(job);
    };
    const advance = async (ms: number) => {
      await clock.advance(ms);
      assert.ok(pool.running === workers || pool.queued === 0, "a worker is free while work waits");
      assert.equal(pool.running, running());
      for (const { call, work } of jobs)
        if (work.atWork)
          assert.equal(work.aborted, shut || call.fate !== "waiting", "aborted without need, or not at all");
      for (const { left, atWork } of shutdowns) assert.equal(left, atWork);
      if (shutdowns.length > 0)
        for (const { call } of jobs) assert.notEqual(call.fate, "waiting", "waits for a pool that was shut down");
      for (const { settled } of closes) assert.equal(settled, pool.running === 0 && pool.queued === 0);
    };

    for (const step of steps) {
      if (step.do === "run") add(step.timeoutMs, step.heeds);
      else if (step.do === "end") {
        const atWork = jobs.filter(({ work }) => work.atWork);
        const job = atWork[step.which % atWork.length];
        if (step.succeeds) job?.work.succeed(jobs.indexOf(job));
        else job?.work.fail(new Error("broken"));
      } else if (step.do === "give up") {
        const job = jobs[step.which % jobs.length];
        if (job !== undefined) job.gaveUp = true;
        job?.call.giveUp();
      } else if (step.do === "close") {
        closed = true;
        const close = { settled: false };
        closes.push(close);
        void pool.close().then(() => {
          close.settled = true;
        });
      } else if (step.do === "shutdown") {
        closed = true;
        shut = true;
        shutdownsBegun += 1;
        void pool.shutdown(step.graceMs).then((left) => shutdowns.push({ left, atWork: running() }));
      } else await advance(step.ms);
      assert.ok(pool.queued <= maxQueued, `${pool.queued} are queued`);
      assert.ok(pool.running <= workers, `${pool.running} are running`);
    }

    for (let turn = 0; turn <= jobs.length; turn += 1) {
      for (const [number, { work }] of jobs.entries()) if (work.atWork) work.succeed(number);
      await advance(10);
    }
    await advance(10);
    assert.equal(shutdowns.length, shutdownsBegun);
    for (const [number, { call, work, expected, expiresAt, gaveUp }] of jobs.entries()) {
      const { fate } = call;
      if (expected !== undefined) assert.deepEqual([fate, work.started], [expected, false]);
      else if (fate === "answered") assert.equal(call.answer, number);
      else if (fate === "broken") assert.ok(work.ended);
      else if (fate === "GaveUp") assert.ok(gaveUp);
      else if (fate === "WAIT_TIMEOUT") assert.ok(expiresAt <= clock.now());
      else assert.deepEqual([fate, shut], ["CLOSED", true], "neither answered nor refused for a reason");
    }
    assert.deepEqual(
      order,
      order.toSorted((one, other) => one - other),
      "work was overtaken",
    );
    assert.ok(most <= workers, `${most} were at work`);
    assert.deepEqual([pool.running, pool.queued, clock.pending], [0, 0, 0], "something is left");
  });
  requireHeld(await fc.check(property, historySettings()));
});

interface Job {
  readonly call: TestedCall<number>;
  readonly work: TestedWork<number>;
  readonly expiresAt: number;
  /** What it must have been refused with. */
  expected: string | undefined;
  gaveUp: boolean;
  readonly waits: boolean;
}
