import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { AppError } from "@shoal/kernel";
import { needsDatabaseServer, until } from "@shoal/testkit";
import {
  type HopName,
  hopNames,
  newMarker,
  onPerformanceClock,
  startThreeHops,
  type ThreeHopCall,
  type ThreeHops,
} from "./three-hops.ts";

// A client calls the front, which calls the middle, which calls the back, which runs a statement on MySQL: four
// processes and a database server. Timed, against the house rules, for the figure is what is promised.

/** What a client leaves of the time of the call that it is used for, by default. */
const marginMs = 10;

const rounds = 5;

test("three services, one behind the other", needsDatabaseServer(), async (t) => {
  const all = await startThreeHops(t);
  for (const [name, run] of cases) await t.test(name, (t) => run(all, t));
});

type Case = readonly [name: string, run: (all: ThreeHops, t: TestContext) => Promise<void>];

/** The last one ends the services. */
const cases: readonly Case[] = [
  [
    "a statement is killed within 100 ms of the client's cancelling, and every service reports CANCELLED",
    async (all, t) => {
      const killedAfterMs: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const controller = new AbortController();
        const call = all.call({ statement: "sleep" }, {}, controller.signal);
        await all.observer.untilRunning(call.marker);
        const cancelledAt = performance.now();
        controller.abort();
        killedAfterMs.push((await all.observer.untilGone(call.marker)) - cancelledAt);
        assert.equal((await failureOf(call)).kind, "cancelled");
        assert.deepEqual(await codesOf(all, call), ["CANCELLED", "CANCELLED", "CANCELLED"]);
      }
      requireSoon(t, "from cancelling", killedAfterMs);
    },
  ],
  [
    "a statement is killed within 100 ms of its deadline, and every service reports DEADLINE_EXCEEDED or CANCELLED",
    async (all, t) => {
      const killedAfterMs: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const call = all.call({ statement: "sleep" }, { deadline: Date.now() + 1_000 });
        await all.observer.untilRunning(call.marker);
        // The earliest of all deadlines: those before it are the margins later.
        const { deadline } = (await all.hops.back.told("entered", call.requestId)).call;
        const passedAt = onPerformanceClock(deadline);
        killedAfterMs.push((await all.observer.untilGone(call.marker)) - passedAt);
        assert.equal((await failureOf(call)).kind, "timeout");
        // A caller whose deadline passes cancels, so either may come first.
        for (const code of await codesOf(all, call)) assert.match(code, /^(DEADLINE_EXCEEDED|CANCELLED)$/);
      }
      requireSoon(t, "from the deadline", killedAfterMs);
    },
  ],
  [
    "request id, priority and baggage reach the third service, with less time at each",
    async ({ hops, call }) => {
      const context = {
        requestId: "three-hops",
        priority: "critical",
        baggage: new Map([
          ["tenant", "Große Fische"],
          ["user", "ada"],
        ]),
      } as const;
      for (const [timeoutMs, expectedMs] of [
        [2_000, 2_000 - marginMs],
        // The contract's own timeout is less.
        [60_000, 5_000],
        [Number.POSITIVE_INFINITY, 5_000],
      ] as const) {
        const requestId = `${context.requestId}-${timeoutMs}`;
        const { outcome } = call(
          { statement: "connection" },
          { ...context, requestId, deadline: Date.now() + timeoutMs },
        );
        assert.equal(typeof (await outcome), "bigint");
        let leftMs = expectedMs;
        for (const name of hopNames) {
          const { at, call } = await hops[name].told("entered", requestId);
          assert.deepEqual(
            { requestId: call.requestId, priority: call.priority, baggage: call.baggage },
            { requestId, priority: "critical", baggage: { tenant: "Große Fische", user: "ada" } },
          );
          // What is left is compared, not the deadline: by the time on the wire a deadline may be later than it was sent.
          // The wire carries whole milliseconds, rounded up.
          assert.ok(call.deadline - at < leftMs + 1, `${name} has ${call.deadline - at} ms of ${leftMs}`);
          const begins = await hops[name].told("begins", requestId);
          leftMs = call.deadline - begins.at - marginMs;
        }
      }
    },
  ],
  [
    "a call with less time than the margins take does not reach the third service",
    async (all) => {
      await useAllConnections(all);
      for (const timeoutMs of [5, 12, 22, 28]) {
        const call = all.call({ statement: "sleep" }, { deadline: Date.now() + timeoutMs });
        assert.equal((await failureOf(call)).kind, "timeout");
        await assertNotReached(all, call, "back");
      }
    },
  ],
  ...(["waiting", "blocking"] as const).map(
    (by): Case => [
      `a call is not begun when the deadline has passed while the caller was ${by}`,
      async (all) => {
        for (const [at, next] of [
          ["front", "middle"],
          ["middle", "back"],
        ] as const) {
          const call = all.call({ statement: "sleep", late: { at, by } }, { deadline: Date.now() + 500 });
          assert.equal((await failureOf(call)).kind, "timeout");
          assert.match((await all.hops[at].told("failed", call.requestId)).error, /^(DEADLINE_EXCEEDED|CANCELLED)$/);
          await assertNotReached(all, call, next);
        }
      },
    ],
  ),
  ...(["waiting", "blocking"] as const).map(
    (by): Case => [
      `a statement is not begun when the deadline has passed while the service was ${by}`,
      async (all) => {
        await all.observer.query("create table if not exists visits (marker varchar(100) not null)");
        const visits = async ({ marker }: ThreeHopCall) =>
          (await all.observer.query("select marker as marker from visits where marker = ?", [marker])).length;
        const inTime = all.call({ statement: "insert" });
        assert.equal(await inTime.outcome, 0n);
        assert.equal(await visits(inTime), 1);
        const late = all.call({ statement: "insert", late: { at: "back", by } }, { deadline: Date.now() + 500 });
        assert.equal((await failureOf(late)).kind, "timeout");
        await all.hops.back.told("begins", late.requestId);
        await untilIdle(all);
        assert.equal(await visits(late), 0);
        assert.equal((await all.hops.back.told("failed", late.requestId)).error, "CALL_ENDED");
      },
    ],
  ),
  [
    "a call that is cancelled in the moment that it is made leaves nothing at work",
    async (all) => {
      await useAllConnections(all);
      const controller = new AbortController();
      const call = all.call({ statement: "sleep" }, {}, controller.signal);
      controller.abort();
      assert.equal((await failureOf(call)).kind, "cancelled");
      // What was sent later is answered, so what there was of the call has arrived.
      assert.equal(typeof (await all.call({ statement: "connection" }).outcome), "bigint");
      // Much less than the 5 s after which the contract's timeout would end it.
      for (const name of hopNames)
        await until(`${name} has no call at work`, async () => (await all.hops[name].state()).running === 0, 1_000);
    },
  ],
  [
    "calls that ended leave nothing behind: no statement, no call, no connection, and no process that does not end",
    async (all) => {
      const { hops, observer, maxConnections } = all;
      await useAllConnections(all);
      await untilIdle(all);
      const before = await Promise.all(hopNames.map((name) => hops[name].state()));

      // More than there are connections: some run, some wait for a connection.
      const marker = newMarker();
      const controller = new AbortController();
      const deadline = Date.now() + 1_000;
      const calls = Array.from({ length: maxConnections }, () => [
        all.call({ statement: "sleep", marker }, { deadline }),
        all.call({ statement: "sleep", marker }, {}, controller.signal),
        all.call({ statement: "sleep", marker }, {}, controller.signal),
      ]).flat();
      await observer.untilRunning(marker, maxConnections);
      controller.abort();
      for (const call of calls) {
        assert.match((await failureOf(call)).kind, /^(cancelled|timeout)$/);
        for (const code of await codesOf(all, call)) assert.match(code, /^(DEADLINE_EXCEEDED|CANCELLED)$/);
      }

      await untilIdle(all);
      await useAllConnections(all);
      await until("connections are as many as before", async () => {
        const after = await Promise.all(hopNames.map((name) => hops[name].state()));
        return after.every(({ connections }, index) => connections === before[index]?.connections);
      });
      for (const name of hopNames) assert.equal(await hops[name].stop(), 0, name);
      await until("the server has no connection left", async () => (await observer.connections()).length === 0);
    },
  ],
];

/** What a call has failed with. */
async function failureOf({ outcome }: ThreeHopCall): Promise<AppError> {
  const error = await outcome;
  assert.ok(error instanceof AppError, `the call was answered, or failed with what is no AppError: ${error}`);
  return error;
}

/** How a call ended in each service. */
async function codesOf({ hops }: ThreeHops, { requestId }: ThreeHopCall): Promise<readonly string[]> {
  return await Promise.all(
    hopNames.map(async (name) => {
      const { code, path } = await hops[name].told("ended", requestId);
      assert.equal(path, "/shoal.echo.v1.EchoService/Echo");
      assert.equal(hops[name].count("ended", requestId), 1);
      return code;
    }),
  );
}

/** The figure that is promised. One round may meet a pause of the machine. */
function requireSoon(t: TestContext, since: string, killedAfterMs: readonly number[]): void {
  const sorted = killedAfterMs.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const max = sorted.at(-1) ?? Number.NaN;
  const figures = killedAfterMs.map((ms) => ms.toFixed(1)).join(", ");
  t.diagnostic(`killed after ${figures} ms ${since}: median ${median.toFixed(1)}, max ${max.toFixed(1)}`);
  assert.ok(median <= 100, `median ${median} ms`);
  assert.ok(max <= 1_000, `max ${max} ms`);
}

/** Waits until no call is at work and the server runs no statement of the service; a connection too many is a leak. */
async function untilIdle({ hops, observer, maxConnections }: ThreeHops): Promise<void> {
  for (const name of hopNames)
    await until(`${name} has no call at work`, async () => (await hops[name].state()).running === 0);
  await until("all of the service's connections are idle, and none is left over", async () => {
    const connections = await observer.connections();
    return connections.length <= maxConnections && connections.every(({ statement }) => statement === null);
  });
}

/** Has as many statements run at once as the back may have connections; each must be answered, by a connection of its own. */
async function useAllConnections({ call, observer, maxConnections }: ThreeHops): Promise<void> {
  const marker = newMarker();
  await observer.query("do get_lock(?, 0)", [marker]);
  const calls = Array.from({ length: maxConnections }, () => call({ statement: "connection", marker }));
  await observer.untilRunning(marker, maxConnections);
  await observer.query("do release_lock(?)", [marker]);
  const answers = await Promise.all(calls.map(({ outcome }) => outcome));
  for (const answer of answers) assert.equal(typeof answer, "bigint", String(answer));
  assert.equal(new Set(answers).size, maxConnections);
}

/** A call that ended did not reach a service: what was sent before this one's answer would have come before it. */
async function assertNotReached(all: ThreeHops, { requestId }: ThreeHopCall, name: HopName): Promise<void> {
  await untilIdle(all);
  const later = all.call({ statement: "connection" });
  assert.equal(typeof (await later.outcome), "bigint");
  await all.hops[name].told("entered", later.requestId);
  assert.equal(all.hops[name].count("entered", requestId), 0);
}
