import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, currentContext, runWithContext } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import { TestedWork } from "./fixture-work.ts";
import { QueueFullError, WaitTimeoutError } from "./refusals.ts";
import { SingleFlight } from "./single-flight.ts";

test("callers of one key share a run, and nothing is kept afterwards", async () => {
  const single = new SingleFlight<string, number>();
  const work = new TestedWork<number>(true);
  const answers = [single.run("a", work.work), single.run("a", () => assert.fail("a second run"))];
  const other = single.run("b", () => 2);
  assert.deepEqual([single.size, single.callers("a")], [2, 2]);
  work.succeed(1);
  assert.deepEqual(await Promise.all([...answers, other]), [1, 1, 2]);
  assert.equal(single.size, 0);
  assert.equal(await single.run("a", () => 3), 3);
});

test("an error is shared, and the next caller begins another run", async () => {
  const single = new SingleFlight<string, number>();
  const error = new Error("broken");
  const failing = () => {
    throw error;
  };
  const answers = [single.run("a", failing), single.run("a", failing)];
  for (const answer of answers) await assert.rejects(answer, error);
  assert.equal(await single.run("a", () => 1), 1);
});

test("a caller that leaves leaves alone; when the last has gone the run is aborted and forgotten", async () => {
  const clock = new VirtualClock();
  const single = new SingleFlight<string, number>({ timers: clock });
  const work = new TestedWork<number>(false);
  const short = assert.rejects(single.run("a", work.work, { timeoutMs: 10 }), WaitTimeoutError);
  const long = assert.rejects(single.run("a", work.work, { timeoutMs: 20 }), WaitTimeoutError);
  await clock.advance(10);
  await short;
  assert.equal(work.aborted, false);
  await clock.advance(10);
  await long;
  assert.deepEqual([work.aborted, single.size], [true, 0]);
  const next = single.run("a", () => 2);
  work.succeed(1);
  assert.equal(await next, 2);
  assert.equal(clock.pending, 0);
});

test("a run belongs to no caller: it has a context of its own, and ends with no caller's deadline or signal", async () => {
  const single = new SingleFlight<string, void>();
  const call = new AbortController();
  const context = createContext({
    requestId: "the first",
    signal: call.signal,
    deadline: Date.now() + 60_000,
    priority: "critical",
    identity: { subject: "somebody", scopes: new Set() },
  });
  const work = new TestedWork<void>(true);
  const first = assert.rejects(
    runWithContext(context, () =>
      single.run("a", (signal) => {
        const own = currentContext();
        assert.deepEqual(
          [own?.signal === signal, own?.deadline, own?.priority, own?.identity],
          [true, Number.POSITIVE_INFINITY, "critical", undefined],
        );
        assert.notEqual(own?.requestId, "the first");
        return work.work(signal);
      }),
    ),
    /caller gone/,
  );
  const second = single.run("a", () => assert.fail("a second run"));
  call.abort(new Error("caller gone"));
  await first;
  assert.equal(work.aborted, false);
  work.succeed();
  await second;
});

test("a run that does not end though its callers have gone counts until it has ended", async () => {
  const clock = new VirtualClock();
  const single = new SingleFlight<string, number>({ maxFlights: 1, timers: clock });
  const work = new TestedWork<number>(false);
  const left = assert.rejects(single.run("a", work.work, { timeoutMs: 10 }), WaitTimeoutError);
  await clock.advance(10);
  await left;
  for (const key of ["a", "b"])
    await assert.rejects(
      single.run(key, () => assert.fail("one run too many")),
      QueueFullError,
    );
  work.succeed(1);
  await clock.advance(0);
  assert.equal(await single.run("a", () => 2), 2);
});

test("refuses more runs, or callers of one, than it may have", async () => {
  const single = new SingleFlight<string, number>({ maxFlights: 1, maxCallers: 1 });
  const work = new TestedWork<number>(true);
  const answer = single.run("a", work.work);
  await assert.rejects(
    single.run("a", () => 2),
    QueueFullError,
  );
  await assert.rejects(
    single.run("b", () => 2),
    QueueFullError,
  );
  work.succeed(1);
  assert.equal(await answer, 1);
  assert.throws(() => new SingleFlight({ maxFlights: 0 }), /maxFlights must be/);
  assert.throws(() => new SingleFlight({ maxCallers: 0 }), /maxCallers must be/);
});
