import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { createContext, isAppError, runWithContext } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { Bulkhead, type BulkheadOptions, type Release } from "./bulkhead.ts";

const clockAndBulkhead = (options: Omit<BulkheadOptions, "name">) => {
  const clock = new VirtualClock(0);
  return { clock, bulkhead: new Bulkhead({ ...options, name: "inventory", clock, timers: clock }) };
};

const full = (error: unknown) =>
  isAppError(error, "BULKHEAD_FULL") && error.kind === "exhausted" && error.retryAfterMs === 100;

/** Enters where nobody may wait, or fails. */
function entered(bulkhead: Bulkhead): Release {
  const release = bulkhead.tryEnter();
  assert.ok(release !== undefined, "there is no place");
  return release;
}

test("lets maxCalls in and refuses the others at once; a place that is given back twice counts once", async () => {
  const { clock, bulkhead } = clockAndBulkhead({ maxCalls: 2 });
  const first = entered(bulkhead);
  entered(bulkhead);
  assert.equal(bulkhead.tryEnter(), undefined);
  await assert.rejects(bulkhead.enter(), full);
  assert.equal(clock.pending, 0);
  first();
  first();
  assert.equal(bulkhead.inside, 1);
  entered(bulkhead);
  assert.equal(bulkhead.tryEnter(), undefined);
});

test("those who wait go in in order; too many, and those who have waited too long, are refused", async () => {
  const { clock, bulkhead } = clockAndBulkhead({ maxCalls: 1, maxWaiting: 2, maxWaitMs: 100 });
  const release = entered(bulkhead);
  const order: string[] = [];
  const first = bulkhead.enter().then((leave) => {
    order.push("first");
    return leave;
  });
  const second = bulkhead.enter({ timeoutMs: 10_000 });
  await assert.rejects(bulkhead.enter(), full);
  assert.equal(bulkhead.waiting, 2);
  await clock.advance(50);
  release();
  const leave = await first;
  assert.deepEqual([order, bulkhead.inside, bulkhead.waiting], [["first"], 1, 1]);
  const refused = assert.rejects(second, full);
  await clock.advance(50);
  await refused;
  leave();
  assert.deepEqual([bulkhead.inside, bulkhead.waiting, clock.pending], [0, 0, 0]);
});

test("a caller's own time can only shorten the wait", async () => {
  const { clock, bulkhead } = clockAndBulkhead({ maxCalls: 1, maxWaiting: 5, maxWaitMs: 100 });
  entered(bulkhead);
  await assert.rejects(bulkhead.enter({ timeoutMs: 0 }), full);
  const refused = assert.rejects(bulkhead.enter({ timeoutMs: 10 }), full);
  await clock.advance(10);
  await refused;
});

test("100,000 who give up leave no timer, no listener and no place taken", async () => {
  const { clock, bulkhead } = clockAndBulkhead({ maxCalls: 1, maxWaiting: 100_000 });
  const release = entered(bulkhead);
  const controllers = Array.from({ length: 100_000 }, () => new AbortController());
  const waits = controllers.map(({ signal }) => bulkhead.enter({ signal }).catch((error: unknown) => error));
  assert.equal(bulkhead.waiting, 100_000);
  for (const controller of controllers) controller.abort("gave up");
  assert.deepEqual(new Set(await Promise.all(waits)), new Set(["gave up"]));
  assert.deepEqual([bulkhead.waiting, clock.pending], [0, 0]);
  for (const { signal } of controllers) assert.equal(getEventListeners(signal, "abort").length, 0);
  release();
  assert.equal(bulkhead.inside, 0);
});

test("one whose signal has aborted does not enter, even where there is a place", async () => {
  const { bulkhead } = clockAndBulkhead({ maxCalls: 1 });
  await assert.rejects(bulkhead.enter({ signal: AbortSignal.abort(new Error("late")) }), /late/);
  assert.equal(bulkhead.inside, 0);
});

test("one waits no longer than the call that is being served, unless it says so", async () => {
  const { clock, bulkhead } = clockAndBulkhead({ maxCalls: 1, maxWaiting: 9 });
  const release = entered(bulkhead);
  const call = new AbortController();
  const own = new AbortController();
  const inCall = <T>(work: () => T) =>
    runWithContext(createContext({ requestId: "the call", signal: call.signal, deadline: clock.now() + 50 }), work);
  const ends = (wait: Promise<Release>) =>
    wait.then(
      (leave) => {
        leave();
        return "inside";
      },
      (error: unknown) => (full(error) ? "full" : error),
    );
  const early = inCall(() => [
    ends(bulkhead.enter({ signal: own.signal })),
    ends(bulkhead.enter()),
    ends(bulkhead.enter({ signal: call.signal })),
    ends(bulkhead.enter({ signal: null })),
  ]);
  own.abort("its own");
  assert.equal(await early[0], "its own");
  await clock.advance(10);
  assert.equal(bulkhead.waiting, 3);
  call.abort("the caller has gone");
  assert.deepEqual(await Promise.all([early[1], early[2]]), ["the caller has gone", "the caller has gone"]);
  await assert.rejects(
    inCall(() => bulkhead.enter()),
    (reason) => reason === "the caller has gone",
  );
  for (const { signal } of [call, own]) assert.equal(getEventListeners(signal, "abort").length, 0);
  release();
  assert.equal(await early[3], "inside");

  entered(bulkhead);
  const context = createContext({ requestId: "a call with a deadline", deadline: clock.now() + 50 });
  const late = runWithContext(context, () => [ends(bulkhead.enter()), ends(bulkhead.enter({ signal: null }))]);
  await clock.advance(50);
  assert.equal(bulkhead.waiting, 1);
  assert.equal(await late[0], "full");
  await assert.rejects(
    runWithContext(context, () => bulkhead.enter()),
    full,
  );
  await clock.advance(50);
  assert.deepEqual([await late[1], bulkhead.waiting, clock.pending], ["full", 0, 0]);
});

test("run gives the place back, also where the work fails", async () => {
  const { bulkhead } = clockAndBulkhead({ maxCalls: 1 });
  assert.equal(await bulkhead.run(() => bulkhead.inside), 1);
  await assert.rejects(
    bulkhead.run(() => {
      throw new Error("broken");
    }),
    /broken/,
  );
  assert.equal(bulkhead.inside, 0);
});

test("more places let those in who wait; fewer count once enough have left", async () => {
  const { bulkhead } = clockAndBulkhead({ maxCalls: 1, maxWaiting: 5 });
  const releases = [entered(bulkhead)];
  const waiting = [bulkhead.enter(), bulkhead.enter()];
  bulkhead.setOptions({ maxCalls: 3, maxWaiting: 0 });
  releases.push(...(await Promise.all(waiting)));
  await assert.rejects(bulkhead.enter(), full);
  bulkhead.setOptions({ maxCalls: 1 });
  for (const inside of [3, 2, 1]) {
    assert.equal(bulkhead.inside, inside);
    assert.equal(bulkhead.tryEnter(), undefined);
    releases.pop()?.();
  }
  entered(bulkhead);
});

test("never more than maxCalls inside, in order, and nobody waits for longer than told", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 10 }),
      fc.array(
        fc.record({
          pauseMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100 })),
          tookMs: fc.integer({ min: 0, max: 300 }),
          leavesMs: fc.option(fc.integer({ min: 0, max: 150 }), { nil: undefined }),
        }),
        { maxLength: 80 },
      ),
      async (maxCalls, maxWaiting, steps) => {
        const { clock, bulkhead } = clockAndBulkhead({ maxCalls, maxWaiting, maxWaitMs: 100 });
        const order: number[] = [];
        let [inside, settled] = [0, 0];
        for (const [number, { pauseMs, tookMs, leavesMs }] of steps.entries()) {
          await clock.advance(pauseMs);
          const controller = new AbortController();
          if (leavesMs !== undefined) clock.after(leavesMs, () => controller.abort(new Error("gave up")));
          const since = clock.now();
          const work = async () => {
            assert.ok(clock.now() - since <= 100, "waited for too long");
            order.push(number);
            inside += 1;
            assert.ok(inside <= maxCalls, `${inside} inside of ${maxCalls}`);
            await new Promise<void>((resolve) => clock.after(tookMs, resolve));
            inside -= 1;
          };
          bulkhead
            .run(work, { signal: controller.signal })
            .catch((error: Error) => assert.ok(full(error) || error.message === "gave up", error))
            .finally(() => {
              settled += 1;
            });
          assert.ok(bulkhead.waiting <= maxWaiting);
        }
        await clock.advance(10_000);
        assert.deepEqual(
          order,
          order.toSorted((one, other) => one - other),
        );
        assert.deepEqual([settled, bulkhead.inside, bulkhead.waiting, clock.pending], [steps.length, 0, 0, 0]);
      },
    ),
    { numRuns: 50 },
  );
});

test("names the option that is out of range, and then changes nothing", () => {
  assert.throws(() => clockAndBulkhead({ maxCalls: 0 }), /^RangeError: maxCalls must be a whole number from 1/);
  assert.throws(() => clockAndBulkhead({ maxCalls: 1, maxWaiting: -1 }), /^RangeError: maxWaiting must/);
  assert.throws(() => clockAndBulkhead({ maxCalls: 1, maxWaitMs: 0 }), /^RangeError: maxWaitMs must/);
  const { bulkhead } = clockAndBulkhead({ maxCalls: 1 });
  assert.throws(() => bulkhead.setOptions({ maxCalls: 2, maxWaiting: -1 }), /maxWaiting/);
  entered(bulkhead);
  assert.equal(bulkhead.tryEnter(), undefined);
});
