import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { historySettings, requireHeld } from "./fixture-histories.ts";
import { type Fate, TestedCall } from "./fixture-patience.ts";
import { TestedWork } from "./fixture-work.ts";
import { SingleFlight } from "./single-flight.ts";

const which = fc.nat({ max: 1_000 });
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("run" as const),
      key: fc.constantFrom("a", "b", "c"),
      timeoutMs: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
      heeds: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("end" as const), which, succeeds: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("give up" as const), which }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 6 }) }) },
);
const history = fc.record({
  maxFlights: fc.integer({ min: 1, max: 3 }),
  maxCallers: fc.integer({ min: 1, max: 4 }),
  steps: fc.array(step, { maxLength: 80, size: "max" }),
});

interface Flight {
  readonly number: number;
  readonly key: string;
  readonly work: TestedWork<number>;
  callers: Caller[];
}

interface Caller {
  readonly call: TestedCall<number>;
  readonly flight: Flight | undefined;
  readonly expiresAt: number;
  fate: Fate;
}

test("callers of one key share one run until it ends or the last has left, whatever comes when", async () => {
  const property = fc.asyncProperty(history, async ({ maxFlights, maxCallers, steps }) => {
    const clock = new VirtualClock(0);
    const single = new SingleFlight<string, number>({ maxFlights, maxCallers, timers: clock });
    const calls: Caller[] = [];
    const flights: Flight[] = [];
    const flying = new Map<string, Flight>();
    const atWork = () => flights.filter(({ work }) => work.atWork).length;

    const land = (flight: Flight) => {
      if (flying.get(flight.key) === flight) flying.delete(flight.key);
    };
    const leave = (caller: Caller, fate: Fate) => {
      const { flight } = caller;
      if (caller.fate !== "waiting" || flight === undefined) return;
      caller.fate = fate;
      flight.callers = flight.callers.filter((other) => other !== caller);
      if (flight.callers.length === 0) land(flight);
    };
    const run = (key: string, timeoutMs: number | undefined, heeds: boolean) => {
      const shared = flying.get(key);
      const isRefused = shared === undefined ? atWork() >= maxFlights : shared.callers.length >= maxCallers;
      let flight = shared;
      if (shared === undefined && !isRefused) {
        flight = { number: flights.length, key, work: new TestedWork(heeds), callers: [] };
        flights.push(flight);
        flying.set(key, flight);
      }
      const begins = flight !== shared;
      const work = (signal: AbortSignal) => {
        assert.ok(begins && flight !== undefined, "a second run of the key");
        return flight.work.work(signal);
      };
      const caller: Caller = {
        call: new TestedCall(timeoutMs, (options) => single.run(key, work, options)),
        flight,
        expiresAt: clock.now() + (timeoutMs ?? Number.POSITIVE_INFINITY),
        fate: isRefused ? "QUEUE_FULL" : "waiting",
      };
      calls.push(caller);
      if (isRefused) return;
      flight?.callers.push(caller);
    };
    const advance = async (ms: number) => {
      await clock.advance(ms);
      for (const caller of calls) if (caller.expiresAt <= clock.now()) leave(caller, "WAIT_TIMEOUT");
      for (const { call, fate } of calls) assert.equal(call.fate, fate);
      for (const { work, callers } of flights) {
        assert.equal(work.started, true);
        if (work.atWork) assert.equal(work.aborted, callers.length === 0, "aborted without need, or not at all");
      }
    };

    for (const step of steps) {
      if (step.do === "run") {
        // What was aborted before, and heeds that, has ended.
        await advance(0);
        run(step.key, step.timeoutMs, step.heeds);
      } else if (step.do === "end") {
        // What ended before has been told to all.
        await advance(0);
        const atWork = flights.filter(({ work }) => work.atWork);
        const flight = atWork[step.which % atWork.length];
        if (flight === undefined) continue;
        if (step.succeeds) flight.work.succeed(flight.number);
        else flight.work.fail(new Error(`broken ${flight.number}`));
        for (const caller of flight.callers) caller.fate = step.succeeds ? "answered" : `broken ${flight.number}`;
        land(flight);
        await advance(0);
      } else if (step.do === "give up") {
        const caller = calls[step.which % calls.length];
        caller?.call.giveUp();
        if (caller !== undefined) leave(caller, "GaveUp");
      } else await advance(step.ms);
      assert.equal(single.size, flying.size);
      for (const key of ["a", "b", "c"]) assert.equal(single.callers(key), flying.get(key)?.callers.length ?? 0);
    }

    for (const caller of calls) {
      caller.call.giveUp();
      leave(caller, "GaveUp");
    }
    await advance(0);
    for (const { call, flight, fate } of calls) if (fate === "answered") assert.equal(call.answer, flight?.number);
    assert.deepEqual([single.size, clock.pending], [0, 0], "something is left");
  });
  requireHeld(await fc.check(property, historySettings()));
});
