import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError, type Priority } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { type AdmittedCall, LoadShedder, type SheddingEvent } from "./load-shedder.ts";

/** The highest first. */
const priorities = ["critical", "default", "sheddable"] as const satisfies readonly Priority[];

const runs = 500;

type Step =
  | { readonly do: "enter"; readonly priority: Priority; readonly deadlineInMs: number }
  | { readonly do: "end" | "abort"; readonly which: number }
  | { readonly do: "press"; readonly isPressed: boolean }
  | { readonly do: "advance"; readonly ms: number };

const enterStep = fc.record({
  do: fc.constant("enter" as const),
  priority: fc.constantFrom(...priorities),
  deadlineInMs: fc.oneof(
    { weight: 3, arbitrary: fc.constant(Number.POSITIVE_INFINITY) },
    { weight: 1, arbitrary: fc.integer({ min: -5, max: 200 }) },
  ),
});
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: enterStep },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("end" as const), which: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("abort" as const), which: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("press" as const), isPressed: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.oneof(fc.nat(20), fc.nat(1_500)) }),
    },
  ),
  { maxLength: 150, size: "max" },
);

const settings = fc
  .record({
    limit: fc.integer({ min: 1, max: 12 }),
    maxWaiting: fc.nat(10),
    patienceMs: fc.integer({ min: 10, max: 100 }),
    hurriedMs: fc.integer({ min: 1, max: 10 }),
    criticalPatienceMs: fc.integer({ min: 1, max: 500 }),
    middle: fc.double({ min: 0.1, max: 1, noNaN: true }),
    low: fc.double({ min: 0.1, max: 1, noNaN: true }),
  })
  .map(({ limit, middle, low, ...others }) => ({
    ...others,
    initialLimit: limit,
    minLimit: limit,
    maxLimit: limit,
    shares: { critical: 1, default: middle, sheddable: middle * low },
  }));

interface Call {
  readonly number: number;
  readonly rank: number;
  readonly since: number;
  readonly deadline: number;
  readonly controller: AbortController;
}

/** One shedder, and callers, work and time that do what the steps say; each promise is checked at each step. */
async function holds(options: typeof settings extends fc.Arbitrary<infer T> ? T : never, all: readonly Step[]) {
  const clock = new VirtualClock();
  const refusing = new Map<Priority, boolean>();
  const onEvent = (event: SheddingEvent) => {
    assert.notEqual(refusing.get(event.priority) ?? false, event.refusing, "told twice");
    refusing.set(event.priority, event.refusing);
  };
  const shedder = new LoadShedder({ ...options, onEvent }, clock, clock);
  const rooms = priorities.map((name) => Math.max(1, Math.floor(options.initialLimit * options.shares[name])));
  const room = (rank: number) => rooms[rank] as number;

  // What the shedder should hold, by what it has answered.
  const waiting: Call[][] = priorities.map(() => []);
  const work = new Map<Call, AdmittedCall>();
  let entered = 0;
  let settled = 0;
  /** What fails in a promise's handler is thrown by the next check. */
  const failures: unknown[] = [];

  const waitingFrom = (from: number, to: number) =>
    waiting.slice(from, to).reduce((sum, { length }) => sum + length, 0);
  const waitingInAll = () => waitingFrom(0, waiting.length);

  const begin = (call: Call, admitted: AdmittedCall) => {
    settled += 1;
    assert.equal(work.has(call), false, "let in twice");
    assert.ok(work.size < room(call.rank), `a ${priorities[call.rank]} call is let in where ${work.size} are at work`);
    assert.equal(waitingFrom(0, call.rank), 0, "let in before one of a higher priority");
    assert.equal(call.controller.signal.aborted, false, "let in though its caller has gone");
    assert.ok(clock.now() < call.deadline, "let in too late");
    work.set(call, admitted);
  };
  const leave = (call: Call) => {
    const line = waiting[call.rank] ?? [];
    const at = line.indexOf(call);
    assert.notEqual(at, -1, "settled twice");
    line.splice(at, 1);
    return at;
  };
  const checkRefusal = (call: Call, error: unknown) => {
    settled += 1;
    if (isAppError(error, "DEADLINE_EXCEEDED")) assert.ok(clock.now() >= call.deadline, "refused as late too early");
    else if (isAppError(error, "OVERLOADED")) assert.ok(refusing.get(priorities[call.rank] as Priority), "not told");
    else assert.equal(error, "gone");
  };
  const wait = (call: Call, promise: Promise<AdmittedCall>) => {
    assert.ok(waitingInAll() <= options.maxWaiting, "too many wait");
    waiting[call.rank]?.push(call);
    const handled = promise.then(
      (admitted) => {
        assert.equal(leave(call), 0, "let in before one that came first");
        begin(call, admitted);
      },
      (error) => {
        const mostMs = (call.rank === 0 ? options.criticalPatienceMs : options.patienceMs) + options.hurriedMs;
        assert.ok(clock.now() - call.since <= mostMs, `waited for ${clock.now() - call.since} ms`);
        const at = leave(call);
        if (isAppError(error, "OVERLOADED")) assert.equal(at, 0, "refused before one that has waited longer");
        checkRefusal(call, error);
      },
    );
    handled.catch((error) => failures.push(error));
  };

  const enter = (priority: Priority, deadlineInMs: number) => {
    const rank = priorities.indexOf(priority);
    const controller = new AbortController();
    const call = { number: entered, rank, since: clock.now(), deadline: clock.now() + deadlineInMs, controller };
    entered += 1;
    const hasRoom = work.size < room(rank) && waitingFrom(0, rank + 1) === 0;
    const full = waitingInAll() >= options.maxWaiting && waitingFrom(rank + 1, waiting.length) === 0;
    const refuses = shedder.refuses(priority);
    try {
      const { signal } = controller;
      const answer = shedder.enter({ path: "/a", priority, deadline: call.deadline, signal });
      assert.equal(refuses, false, "let in though it was said that it would be refused");
      if (answer instanceof Promise) {
        assert.equal(hasRoom, false, "waits where there is room");
        wait(call, answer);
      } else {
        assert.ok(hasRoom, "let in where others wait");
        begin(call, answer);
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      if (isAppError(error, "OVERLOADED")) {
        assert.ok(refuses && !hasRoom, "refused where there is room");
        if (rank === 0) assert.ok(full, "a critical call is refused that could wait");
      }
      checkRefusal(call, error);
    }
  };

  const one = <T>(items: readonly T[], which: number): T | undefined => items[which % Math.max(1, items.length)];
  const run = async (step: Step) => {
    if (step.do === "enter") enter(step.priority, step.deadlineInMs);
    else if (step.do === "press") shedder.press(step.isPressed);
    else if (step.do === "advance") await clock.advance(step.ms);
    else if (step.do === "abort") one(waiting.flat(), step.which)?.controller.abort("gone");
    else {
      const [call, admitted] = one([...work], step.which) ?? [];
      if (call === undefined || admitted === undefined) return;
      work.delete(call);
      admitted.end(step.which % 2 === 0);
      if (step.which % 3 === 0) admitted.end(true);
    }
  };
  const check = () => {
    if (failures.length > 0) throw failures[0];
    const held = { atWork: shedder.atWork, waiting: shedder.waiting };
    assert.deepEqual(held, { atWork: work.size, waiting: waitingInAll() });
    const highest = waiting.findIndex(({ length }) => length > 0);
    if (highest !== -1) assert.ok(work.size >= room(highest), "one waits for whom there is room");
  };

  for (const step of all) {
    await run(step);
    await clock.advance(0);
    check();
  }
  for (let call = one([...work.keys()], 0); call !== undefined; call = one([...work.keys()], 0)) {
    await run({ do: "end", which: 0 });
    await clock.advance(0);
    check();
  }
  await clock.advance(5_000);
  check();
  assert.deepEqual([settled, shedder.atWork, shedder.waiting, clock.pending], [entered, 0, 0, 0]);
  assert.deepEqual(new Set(refusing.values()).has(true), false, "not told of the calm");
}

test(`holds its promises in ${runs} random runs`, async () => {
  const given = process.env["SHOAL_TEST_SEED"];
  await fc.assert(
    fc.asyncProperty(settings, steps, (options, all) => holds(options, all)),
    { numRuns: runs, ...(given === undefined ? {} : { seed: Number(given) }) },
  );
});
