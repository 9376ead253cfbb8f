import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import type { Outcome } from "../outcome.ts";
import { AdaptiveThrottle, type AdaptiveThrottleOptions, defaultAdaptiveThrottleOptions } from "./adaptive-throttle.ts";

const { windowMs, minimumCalls, probeEveryMs } = defaultAdaptiveThrottleOptions;

/** A throttle on a clock of its own that refuses whenever the probability allows it. */
function throttleWith(options: AdaptiveThrottleOptions = {}) {
  const clock = new VirtualClock();
  const throttle = new AdaptiveThrottle({ now: () => clock.now(), random: () => 0, ...options });
  const call = (outcome: Outcome, times = 1) => {
    for (let n = 0; n < times; n += 1) throttle.tryAcquire()?.end(outcome);
  };
  return { throttle, clock, call };
}

test("lets all through while the callee takes at least one in `multiplier`", () => {
  const { throttle, call } = throttleWith();
  for (let n = 0; n < 1_000; n += 1) {
    call("success");
    call("failure");
  }
  assert.equal(throttle.refusalRate, 0);
  assert.equal(throttle.retryAfterMs, 0);
});

test("refuses none while there are few calls, however they end", () => {
  const { throttle, call } = throttleWith();
  call("failure", minimumCalls - 1);
  assert.equal(throttle.refusalRate, 0);
  call("failure");
  assert.equal(throttle.refusalRate, minimumCalls / (minimumCalls + 1));
  assert.equal(throttle.tryAcquire(), undefined);
});

test("calls that it refuses count as calls that were not taken", () => {
  const { throttle, call } = throttleWith();
  call("success", 10);
  call("failure", 20);
  assert.equal(throttle.refusalRate, (30 - 2 * 10) / 31);
  assert.equal(throttle.tryAcquire(), undefined);
  assert.equal(throttle.refusalRate, (31 - 2 * 10) / 32);
});

test("neutral calls count for nothing", () => {
  const { throttle, call } = throttleWith();
  call("neutral", 1_000);
  call("failure", minimumCalls - 1);
  assert.equal(throttle.refusalRate, 0);
});

test("a call counts once, however often it is said to have ended", () => {
  const { throttle } = throttleWith();
  const permit = throttle.tryAcquire();
  for (let n = 0; n < 100; n += 1) permit?.end("failure");
  assert.equal(throttle.refusalRate, 0);
});

test("lets one through now and then, however bad it is", async () => {
  const { throttle, clock, call } = throttleWith();
  call("failure", 1_000);
  assert.equal(throttle.tryAcquire(), undefined);
  await clock.advance(probeEveryMs - 1);
  assert.equal(throttle.tryAcquire(), undefined);
  await clock.advance(1);
  assert.ok(throttle.tryAcquire());
  assert.equal(throttle.tryAcquire(), undefined);
});

test("forgets with time, without any traffic", async () => {
  const { throttle, clock, call } = throttleWith();
  call("failure", 100);
  assert.equal(throttle.retryAfterMs, throttle.refusalRate * windowMs);
  await clock.advance(windowMs);
  assert.equal(throttle.refusalRate, 0);
  assert.ok(throttle.tryAcquire());
});

test("refuses by the formula, call for call, as a plain list of calls gives it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 10, max: 500 }),
      fc.double({ min: 1, max: 3, noNaN: true }),
      fc.integer({ min: 0, max: 10 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.array(
        fc.record({
          outcome: fc.constantFrom<Outcome>("success", "failure", "failure", "neutral"),
          waits: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 60 })),
        }),
        { minLength: 50, maxLength: 300, size: "max" },
      ),
      async (ms, multiplier, least, seed, steps) => {
        const clock = new VirtualClock();
        const chances = randomFrom(seed);
        const sameChances = randomFrom(seed);
        const throttle = new AdaptiveThrottle({
          windowMs: ms,
          multiplier,
          minimumCalls: least,
          probeEveryMs: Number.POSITIVE_INFINITY,
          now: () => clock.now(),
          random: chances,
        });
        const start = clock.now();
        const tick = () => Math.floor((clock.now() - start) / (ms / 10));
        let calls: { tick: number; taken: boolean }[] = [];
        for (const { outcome, waits } of steps) {
          await clock.advance(waits);
          calls = calls.filter((call) => call.tick > tick() - 10);
          const taken = calls.filter((call) => call.taken).length;
          const formula = Math.max(0, (calls.length - multiplier * taken) / (calls.length + 1));
          const rate = calls.length < least ? 0 : formula;
          assert.equal(throttle.refusalRate, rate);
          // The very first one is let through, for none has been for ever.
          const refused = rate > 0 && sameChances() < rate;
          const permit = throttle.tryAcquire();
          assert.equal(permit === undefined, refused);
          permit?.end(outcome);
          if (refused || outcome !== "neutral") calls.push({ tick: tick(), taken: !refused && outcome === "success" });
        }
      },
    ),
    { numRuns: 200 },
  );
});

/** A callee that takes `capacity` calls a second and refuses the others, and callers that come at random; per second. */
async function flood(offered: number, capacity: number, multiplier: number, seed: number) {
  const clock = new VirtualClock();
  const random = randomFrom(seed);
  const throttle = new AdaptiveThrottle({ multiplier, now: () => clock.now(), random });
  const [settling, measured] = [60, 120];
  let sent = 0;
  let taken = 0;
  for (let second = 0; second < settling + measured; second += 1) {
    for (let tenth = 0; tenth < 10; tenth += 1) {
      let room = capacity / 10;
      await clock.advance(100);
      for (let n = 0; n < offered / 10; n += 1) {
        const permit = throttle.tryAcquire();
        if (permit === undefined) continue;
        // Whoever comes is taken by chance, so that it makes no difference who comes first.
        const isTaken = room > 0 && random() < 0.9;
        if (isTaken) room -= 1;
        permit.end(isTaken ? "success" : "failure");
        if (second < settling) continue;
        sent += 1;
        if (isTaken) taken += 1;
      }
    }
  }
  return { sent: sent / measured, taken: taken / measured };
}

test("a flooded callee is sent `multiplier` times what it takes, and takes all that it can", async () => {
  for (const multiplier of [1.5, 2, 3])
    for (const offered of [1_000, 3_000]) {
      const { sent, taken } = await flood(offered, 200, multiplier, 11);
      const figures = `${sent}/s sent and ${taken}/s taken of ${offered}/s, multiplier ${multiplier}`;
      assert.ok(Math.abs(sent / taken - multiplier) < 0.05 * multiplier, figures);
      assert.ok(taken > 0.97 * 200, figures);
    }
});

test("a callee that can take all is sent all", async () => {
  const { sent } = await flood(1_000, 1_200, 2, 5);
  assert.equal(sent, 1_000);
});

test("after an outage all go through again in a few windows", async () => {
  for (const perSecond of [20, 100, 1_000]) {
    const clock = new VirtualClock();
    const throttle = new AdaptiveThrottle({ now: () => clock.now(), random: randomFrom(1) });
    const second = async (outcome: Outcome) => {
      let sent = 0;
      for (let n = 0; n < perSecond; n += 1) {
        if (n % (perSecond / 10) === 0) await clock.advance(100);
        const permit = throttle.tryAcquire();
        permit?.end(outcome);
        if (permit !== undefined) sent += 1;
      }
      return sent;
    };
    let inOutage = 0;
    for (let n = 0; n < 60; n += 1) inOutage += await second("failure");
    assert.ok(inOutage < 0.05 * 60 * perSecond + 100, `${inOutage} calls sent in a minute of outage`);
    let seconds = 0;
    while ((await second("success")) < 0.95 * perSecond) {
      seconds += 1;
      assert.ok(seconds < (5 * windowMs) / 1_000, `not back after ${seconds} s at ${perSecond} calls/s`);
    }
  }
});

test("refuses options out of range by name", () => {
  const cases: readonly (readonly [AdaptiveThrottleOptions, RegExp])[] = [
    [{ windowMs: 9 }, /windowMs must be a whole number from 10, not 9/],
    [{ multiplier: 0.9 }, /multiplier must be a number from 1 to 100, not 0\.9/],
    [{ minimumCalls: -1 }, /minimumCalls must be a whole number from 0, not -1/],
    [{ probeEveryMs: 0 }, /probeEveryMs must be a whole number from 1, not 0/],
  ];
  for (const [options, message] of cases)
    assert.throws(() => new AdaptiveThrottle(options), { name: "RangeError", message });
});
