import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { isAppError, type Priority } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import {
  type AdmittedCall,
  defaultLoadShedderOptions,
  LoadShedder,
  type LoadShedderOptions,
  type SheddableCall,
  type SheddingEvent,
} from "./load-shedder.ts";

const { patienceMs, hurriedMs, criticalPatienceMs, retryAfterMs } = defaultLoadShedderOptions;

/** After so long without a refusal calls are let wait as before, in milliseconds. */
const calmMs = 1_000;

/** What has become of a call. */
interface Entry {
  state: "waits" | "at work" | "overloaded" | "too late" | "gone";
  admitted: AdmittedCall | undefined;
}

const never = new AbortController().signal;

/** Always as many calls as `limit`, with 80 % of that for default calls and 60 % for sheddable ones. */
function shedderOf(limit: number, options: Partial<LoadShedderOptions> = {}) {
  const clock = new VirtualClock();
  const events: string[] = [];
  const onEvent = ({ priority, refusing }: SheddingEvent) =>
    events.push(`${priority} ${refusing ? "refused" : "calm"}`);
  const bounds = { initialLimit: limit, minLimit: limit, maxLimit: limit };
  const shares = { critical: 1, default: 0.8, sheddable: 0.6 };
  const shedder = new LoadShedder({ ...bounds, shares, onEvent, ...options }, clock, clock);
  const enter = (priority: Priority, call: Partial<SheddableCall> = {}): Entry => {
    const entry: Entry = { state: "waits", admitted: undefined };
    const letIn = (admitted: AdmittedCall) => {
      entry.state = "at work";
      entry.admitted = admitted;
    };
    const refuse = (error: unknown) => {
      if (isAppError(error, "OVERLOADED")) {
        assert.equal(error.kind, "exhausted");
        assert.equal(error.retryAfterMs, retryAfterMs);
        entry.state = "overloaded";
      } else if (isAppError(error, "DEADLINE_EXCEEDED")) {
        assert.equal(error.kind, "timeout");
        entry.state = "too late";
      } else {
        assert.equal(error, "gone");
        entry.state = "gone";
      }
    };
    try {
      const entered = shedder.enter({
        path: "/a",
        priority,
        deadline: Number.POSITIVE_INFINITY,
        signal: never,
        ...call,
      });
      if (entered instanceof Promise) entered.then(letIn, refuse);
      else letIn(entered);
    } catch (error) {
      refuse(error);
    }
    return entry;
  };
  const enterAll = (count: number, priority: Priority) => Array.from({ length: count }, () => enter(priority));
  return {
    clock,
    events,
    shedder,
    enter,
    enterAll,
    /** Has critical calls take all places. */
    fill: () => enterAll(limit, "critical"),
    /** Has default calls be refused, with nobody left waiting. */
    async overload() {
      const late = enter("default");
      assert.equal(late.state, "waits");
      await clock.advance(patienceMs + hurriedMs);
      assert.equal(late.state, "overloaded");
      events.length = 0;
    },
  };
}

const states = (entries: readonly Entry[]) => entries.map(({ state }) => state);
const end = (entry: Entry | undefined, done = true) => {
  assert.equal(entry?.state, "at work");
  entry?.admitted?.end(done);
};

test("each priority fills its part of the limit, and leaves the rest to those above it", () => {
  const { enter, enterAll, shedder } = shedderOf(10);
  assert.deepEqual(new Set(states(enterAll(6, "sheddable"))), new Set(["at work"]));
  assert.equal(enter("sheddable").state, "waits");
  assert.deepEqual(states(enterAll(3, "default")), ["at work", "at work", "waits"]);
  assert.deepEqual(states(enterAll(3, "critical")), ["at work", "at work", "waits"]);
  assert.deepEqual([shedder.limit, shedder.atWork, shedder.waiting], [10, 10, 3]);
});

test("there is room for one call of each priority, however small its part", () => {
  const { enter } = shedderOf(1, { shares: { critical: 1, default: 0.1, sheddable: 0.1 } });
  assert.equal(enter("sheddable").state, "at work");
});

test("who waits gets its turn, the highest priority first, and those of one priority as they came", async () => {
  const { clock, enter, fill } = shedderOf(10);
  const first = fill();
  const order: Priority[] = ["sheddable", "default", "critical", "sheddable", "default", "critical"];
  const entries = order.map((priority) => enter(priority));
  const seen: number[] = [];
  const look = async () => {
    await clock.advance(0);
    for (const [n, { state }] of entries.entries()) if (state === "at work" && !seen.includes(n)) seen.push(n);
  };
  for (const entry of first) {
    end(entry);
    await look();
  }
  assert.deepEqual(seen, [2, 5, 1, 4, 0, 3]);
});

test("nobody is let in who comes after those that wait", async () => {
  const { enter, fill } = shedderOf(10);
  const first = fill();
  const waits = enter("default");
  for (const entry of first.slice(0, 2)) end(entry);
  assert.equal(enter("sheddable").state, "waits");
  assert.equal(enter("default").state, "waits");
  assert.equal(enter("critical").state, "at work");
  for (const entry of first.slice(2, 5)) end(entry);
  await null;
  assert.equal(waits.state, "at work");
});

test("a call that has waited for too long is refused, and those after it wait only shortly", async () => {
  const { clock, enter, events, fill } = shedderOf(10);
  fill();
  const patient = enter("default");
  await clock.advance(patienceMs - 1);
  assert.equal(patient.state, "waits");
  await clock.advance(1 + hurriedMs);
  assert.equal(patient.state, "overloaded");
  assert.deepEqual(events, ["default refused"]);

  const hurried = enter("default");
  await clock.advance(hurriedMs - 1);
  assert.equal(hurried.state, "waits");
  await clock.advance(1 + hurriedMs);
  assert.equal(hurried.state, "overloaded");
  assert.deepEqual(events, ["default refused"]);
});

test("while calls are refused, an eighth of the limit may wait and the rest is refused at once", async () => {
  const { enterAll, fill, overload } = shedderOf(24);
  fill();
  await overload();
  assert.deepEqual(states(enterAll(5, "default")), ["waits", "waits", "waits", "overloaded", "overloaded"]);
});

test("after a second without a refusal calls are patient again, and not before", async () => {
  const { clock, enter, events, fill, overload } = shedderOf(10);
  fill();
  await overload();
  await clock.advance(calmMs / 2);
  const again = enter("default");
  await clock.advance(2 * hurriedMs);
  assert.equal(again.state, "overloaded");
  const refusedFor = 2 * hurriedMs;
  await clock.advance(calmMs - refusedFor);
  assert.deepEqual(events, []);
  await clock.advance(refusedFor);
  assert.deepEqual(events, ["default calm"]);
  const patient = enter("default");
  await clock.advance(patienceMs - 1);
  assert.equal(patient.state, "waits");
});

test("who comes in a pause of the flood waits no longer than others", async () => {
  const { clock, enter, fill, overload } = shedderOf(10);
  fill();
  await overload();
  // Nobody waits, and what is set is the timer that looks for calm.
  await clock.advance(calmMs / 4);
  const entry = enter("default");
  await clock.advance(2 * hurriedMs);
  assert.equal(entry.state, "overloaded");
});

test("sheddable calls wait while nobody is refused, and not while default ones are", async () => {
  const { clock, enter, events, fill, overload } = shedderOf(10);
  const first = fill();
  assert.equal(enter("sheddable").state, "waits");
  await overload();
  assert.equal(enter("sheddable").state, "overloaded");
  assert.equal(enter("default").state, "waits");
  for (const entry of first) end(entry);
  await clock.advance(0);
  assert.equal(enter("sheddable").state, "at work");
  await clock.advance(3 * calmMs);
  assert.deepEqual(events, ["default calm", "sheddable calm"]);
});

test("default calls go on waiting while only sheddable ones are refused", async () => {
  const { clock, enter, enterAll, events } = shedderOf(10);
  enterAll(6, "sheddable");
  const late = enter("sheddable");
  await clock.advance(patienceMs);
  assert.equal(late.state, "overloaded");
  assert.deepEqual(events, ["sheddable refused"]);
  enterAll(2, "default");
  const patient = enter("default");
  await clock.advance(patienceMs - 1);
  assert.equal(patient.state, "waits");
});

test("sheddable calls do not wait while the process has too much to do", async () => {
  const { enter, fill, shedder } = shedderOf(10);
  fill();
  shedder.press(true);
  assert.equal(enter("sheddable").state, "overloaded");
  assert.equal(enter("default").state, "waits");
  shedder.press(false);
  assert.equal(enter("sheddable").state, "waits");
});

test("each time the process has too much to do the limit falls, down to its lowest", () => {
  const { shedder } = shedderOf(10, { initialLimit: 100, minLimit: 80, maxLimit: 100 });
  const limits = [true, false, true, true, true, true].map((isPressed) => {
    shedder.press(isPressed);
    return shedder.limit;
  });
  assert.deepEqual(limits, [90, 90, 81, 80, 80, 80]);
});

test("a critical call is not refused with the others: it waits for as long as it may", async () => {
  const { clock, enter, events, fill, overload } = shedderOf(10);
  const first = fill();
  await overload();
  const [served, late] = [enter("critical"), enter("critical")];
  await clock.advance(criticalPatienceMs - 1);
  assert.deepEqual(states([served, late]), ["waits", "waits"]);
  end(first[0]);
  await clock.advance(1 + hurriedMs);
  assert.deepEqual(states([served, late]), ["at work", "overloaded"]);
  assert.deepEqual(events.at(-1), "critical refused");
  assert.equal(enter("critical").state, "waits");
});

test("of no priority more calls wait than may", () => {
  const { enterAll, fill, shedder, events } = shedderOf(10, { maxWaiting: 2 });
  fill();
  assert.deepEqual(states(enterAll(3, "sheddable")), ["waits", "waits", "overloaded"]);
  assert.equal(shedder.waiting, 2);
  assert.deepEqual(events, ["sheddable refused"]);
});

test("where too many wait, the oldest of the lowest priority goes for one above it", async () => {
  const { enter, enterAll, fill, shedder } = shedderOf(10, { maxWaiting: 2 });
  fill();
  const sheddable = enterAll(2, "sheddable");
  const middle = enter("default");
  await null;
  assert.deepEqual(states([...sheddable, middle]), ["overloaded", "waits", "waits"]);
  const critical = enterAll(2, "critical");
  await null;
  assert.deepEqual(states([...sheddable, middle, ...critical]), [
    "overloaded",
    "overloaded",
    "overloaded",
    "waits",
    "waits",
  ]);
  assert.equal(shedder.waiting, 2);
  assert.equal(enter("critical").state, "overloaded");
});

test("with nobody to wait, a call is let in or refused at once", () => {
  const { enter, fill } = shedderOf(10, { maxWaiting: 0 });
  fill();
  assert.deepEqual(states([enter("critical"), enter("default"), enter("sheddable")]), [
    "overloaded",
    "overloaded",
    "overloaded",
  ]);
});

test("asked before, it says who would be refused, and is told of it", () => {
  const { shedder, enter, events, fill } = shedderOf(10, { maxWaiting: 1 });
  fill();
  assert.equal(shedder.refuses("sheddable"), false);
  enter("sheddable");
  assert.deepEqual([shedder.refuses("sheddable"), shedder.refuses("default")], [true, false]);
  assert.deepEqual(events, []);
  assert.ok(isAppError(shedder.refuse("sheddable"), "OVERLOADED"));
  assert.deepEqual(events, ["sheddable refused"]);
});

test("a call whose deadline has passed does not begin, room or not", async () => {
  const { clock, enter, fill, shedder } = shedderOf(10);
  assert.equal(enter("critical", { deadline: clock.now() }).state, "too late");
  const first = fill();
  assert.equal(enter("default", { deadline: clock.now() }).state, "too late");
  const late = enter("default", { deadline: clock.now() + 10 });
  const next = enter("default");
  await clock.advance(10);
  for (const entry of first.slice(0, 3)) end(entry);
  await null;
  assert.deepEqual(states([late, next]), ["too late", "at work"]);
  assert.deepEqual([shedder.atWork, shedder.waiting], [8, 0]);
});

test("a call begins only if its deadline is further away than the process is late", () => {
  const { clock, enter } = shedderOf(10, { delayMs: () => 40 });
  assert.equal(enter("default", { deadline: clock.now() + 40 }).state, "too late");
  assert.equal(enter("default", { deadline: clock.now() + 41 }).state, "at work");
});

test("a call whose caller goes, or has gone, does not wait for its turn", async () => {
  const { enter, enterAll, fill, shedder } = shedderOf(10);
  const first = fill();
  const gone = enter("default", { signal: AbortSignal.abort("gone") });
  await null;
  assert.equal(gone.state, "gone");
  assert.equal(shedder.waiting, 0);
  const caller = new AbortController();
  const [waits] = [enter("default", { signal: caller.signal }), ...enterAll(1, "default")];
  caller.abort("gone");
  await null;
  assert.equal(waits?.state, "gone");
  assert.equal(shedder.waiting, 1);
  for (const entry of first) end(entry);
  assert.deepEqual([shedder.atWork, shedder.waiting], [1, 0]);
});

test("work is over once, however often that is said", () => {
  const { enterAll, shedder } = shedderOf(10);
  const entries = enterAll(3, "default");
  for (let n = 0; n < 3; n += 1) end(entries[0], n === 0);
  assert.equal(shedder.atWork, 2);
});

test("what fails early says nothing of the limit", async () => {
  const { clock, enterAll, shedder } = shedderOf(10, { initialLimit: 20, minLimit: 4, maxLimit: 100 });
  for (let round = 0; round < 50; round += 1) {
    const entries = enterAll(21, "critical");
    await clock.advance(100);
    for (const entry of entries) if (entry.state === "at work") end(entry, false);
    await clock.advance(100);
    for (const entry of entries) if (entry.state === "at work") entry.admitted?.end(false);
  }
  assert.equal(shedder.limit, 20);
});

test("the limit follows the latency of calls, and how late the process is counts", async () => {
  let delayMs = 0;
  const options = { initialLimit: 20, minLimit: 4, maxLimit: 40, delayMs: () => delayMs, probeIntervalMs: 3_600_000 };
  const { clock, enter, shedder } = shedderOf(20, options);
  const rounds = async (count: number) => {
    for (let round = 0; round < count; round += 1) {
      const limit = shedder.limit;
      const entries = Array.from({ length: limit + 1 }, () => enter("critical"));
      await clock.advance(50);
      for (const entry of entries.slice(0, limit)) end(entry);
      await clock.advance(50);
      end(entries[limit]);
    }
  };
  await rounds(100);
  assert.equal(shedder.limit, 40);
  delayMs = 500;
  await rounds(200);
  assert.ok(shedder.limit < 20, String(shedder.limit));
});

test("100,000 waits that are given up leave nothing", async () => {
  const { clock, enter, fill, shedder } = shedderOf(10, { maxWaiting: 100_000 });
  const first = fill();
  const shared = new AbortController();
  const entries: Entry[] = [];
  const callers: AbortController[] = [];
  for (let n = 0; n < 100_000; n += 1) {
    const caller = n % 1_000 === 0 ? shared : new AbortController();
    if (caller !== shared) callers.push(caller);
    entries.push(enter("default", { signal: caller.signal }));
  }
  assert.equal(shedder.waiting, 100_000);
  assert.equal(clock.pending, 1);
  for (const caller of callers) caller.abort("gone");
  shared.abort("gone");
  await clock.advance(0);
  assert.deepEqual(new Set(states(entries)), new Set(["gone"]));
  assert.equal(shedder.waiting, 0);
  await clock.advance(hurriedMs);
  assert.equal(clock.pending, 0);
  for (const { signal } of [shared, ...callers]) assert.equal(getEventListeners(signal, "abort").length, 0);
  for (const entry of first) end(entry);
  assert.equal(shedder.atWork, 0);
});

test("no listener is left on the signal of a call that was let in or refused", async () => {
  const { clock, enter, fill } = shedderOf(10);
  const first = fill();
  const { signal } = new AbortController();
  const [served, late] = [enter("default", { signal }), enter("sheddable", { signal })];
  for (const entry of first.slice(0, 3)) end(entry);
  await clock.advance(2 * patienceMs);
  assert.deepEqual(states([served, late]), ["at work", "overloaded"]);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("once all is calm no timer is left", async () => {
  const { clock, fill, overload } = shedderOf(10);
  fill();
  await overload();
  assert.equal(clock.pending, 1);
  await clock.advance(2 * calmMs);
  assert.equal(clock.pending, 0);
});

test("refuses options out of range, and names them", () => {
  const shares = { critical: 1, default: 0.9, sheddable: 0.8 };
  for (const [options, name] of [
    [{ shares: { ...shares, critical: 1.1 } }, /shares\.critical/],
    [{ shares: { ...shares, sheddable: 0 } }, /shares\.sheddable/],
    [{ shares: { ...shares, default: Number.NaN } }, /shares\.default/],
    [{ shares: { ...shares, critical: 0.85 } }, /shares\.default/],
    [{ shares: { ...shares, sheddable: 0.95 } }, /shares\.sheddable/],
    [{ maxWaiting: -1 }, /maxWaiting/],
    [{ maxWaiting: 100_001 }, /maxWaiting/],
    [{ patienceMs: 0 }, /patienceMs/],
    [{ patienceMs: 60_001 }, /patienceMs/],
    [{ hurriedMs: 0 }, /hurriedMs/],
    [{ hurriedMs: 241 }, /hurriedMs/],
    [{ criticalPatienceMs: 0 }, /criticalPatienceMs/],
    [{ retryAfterMs: 0 }, /retryAfterMs/],
    [{ minLimit: 0 }, /minLimit/],
  ] as const) {
    assert.throws(
      () => new LoadShedder(options),
      (error) => error instanceof RangeError && name.test(error.message),
    );
  }
});
