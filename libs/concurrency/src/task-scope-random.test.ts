import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { historySettings, requireHeld } from "./fixture-histories.ts";
import { GaveUp } from "./fixture-patience.ts";
import { TestedWork } from "./fixture-work.ts";
import { ClosedError } from "./refusals.ts";
import { TaskScope } from "./task-scope.ts";

const which = fc.nat({ max: 1_000 });
const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant("spawn" as const), heeds: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("succeed" as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("abort" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("join" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("shutdown" as const), graceMs: fc.integer({ min: 0, max: 10 }) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 5 }) }) },
);
const history = fc.record({
  maxChildren: fc.integer({ min: 1, max: 6 }),
  steps: fc.array(step, { maxLength: 60, size: "max" }),
});

interface Child {
  readonly work: TestedWork<number>;
  /** Whether it must not have been started. */
  readonly refused: boolean;
  outcome: unknown;
}

test("ends its children with the first that fails, and leaves none unreported, whatever comes when", async () => {
  const property = fc.asyncProperty(history, async ({ maxChildren, steps }) => {
    const clock = new VirtualClock(0);
    const parent = new AbortController();
    const scope = new TaskScope({ signal: parent.signal, maxChildren, timers: clock });
    const children: Child[] = [];
    const joins: { outcome: unknown }[] = [];
    const shutdowns: { readonly until: number; left: number | undefined }[] = [];
    /** Why the scope must have been aborted. */
    let reason: unknown;
    /** Nothing more is taken in. */
    let closed = false;
    const failures: unknown[] = [];

    const running = () => children.filter(({ work }) => work.atWork).length;
    const abort = (why: unknown) => {
      if (!closed) reason ??= why;
    };
    const spawn = (heeds: boolean) => {
      const work = new TestedWork<number>(heeds);
      const child: Child = {
        work,
        refused: closed || reason !== undefined || running() >= maxChildren,
        outcome: "waiting",
      };
      children.push(child);
      scope.spawn(work.work).then(
        (answer) => {
          child.outcome = answer;
        },
        (error: unknown) => {
          child.outcome = error;
        },
      );
    };
    const settle = async (ms: number) => {
      await clock.advance(ms);
      if (joins.length > 0 && running() === 0) closed = true;
      for (const shutdown of shutdowns) if (shutdown.until <= clock.now() || running() === 0) closed = true;
      assert.equal(scope.running, running());
      if (!closed) assert.equal(scope.signal.aborted, reason !== undefined);
      if (reason instanceof ClosedError) assert.ok(scope.signal.reason instanceof ClosedError);
      else if (scope.signal.aborted) assert.equal(scope.signal.reason, reason);
      for (const { work, refused } of children) assert.equal(work.started, !refused);
      for (const { outcome } of joins) {
        if (!closed) assert.equal(outcome, "waiting", "joined while children are at work");
        else assert.equal(outcome, reason === undefined ? "joined" : scope.signal.reason);
      }
      for (const { left, until } of shutdowns)
        assert.equal(left !== undefined, closed || until <= clock.now() || running() === 0);
      assert.deepEqual(scope.failures, failures);
    };

    for (const step of steps) {
      if (step.do === "spawn") spawn(step.heeds);
      else if (step.do === "succeed" || step.do === "fail") {
        const atWork = children.filter(({ work }) => work.atWork);
        const child = atWork[step.which % atWork.length];
        if (child === undefined) continue;
        if (step.do === "succeed") child.work.succeed(children.indexOf(child));
        else {
          const error = new Error(`child ${children.indexOf(child)}`);
          child.work.fail(error);
          failures.push(error);
          abort(error);
        }
      } else if (step.do === "abort") {
        const error = new GaveUp();
        parent.abort(error);
        abort(parent.signal.reason);
      } else if (step.do === "join") {
        const join = { outcome: "waiting" as unknown };
        joins.push(join);
        scope.join().then(
          () => {
            join.outcome = "joined";
          },
          (error: unknown) => {
            join.outcome = error;
          },
        );
      } else if (step.do === "shutdown") {
        const shutdown = { until: clock.now() + step.graceMs, left: undefined as number | undefined };
        shutdowns.push(shutdown);
        void scope.shutdown(step.graceMs).then((left) => {
          shutdown.left = left;
          assert.equal(left, scope.running);
        });
        abort(new ClosedError("shut down"));
      } else {
        await settle(step.ms);
        continue;
      }
      await settle(0);
    }

    for (const { work } of children) if (work.atWork) work.succeed(0);
    await settle(0);
    const left = await scope.shutdown(0);
    assert.deepEqual([left, scope.running, clock.pending], [0, 0, 0], "something is left");
    for (const { outcome } of children) assert.notEqual(outcome, "waiting");
    assert.equal(getEventListeners(parent.signal, "abort").length, 0, "a listener is left on the parent's signal");
  });
  requireHeld(await fc.check(property, historySettings()));
});
