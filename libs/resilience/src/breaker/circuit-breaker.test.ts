import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import type { Outcome } from "../outcome.ts";
import type { BreakerPermit } from "./breaker.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import { type CircuitBreakerOptions, defaultCircuitBreakerOptions } from "./circuit-breaker-options.ts";
import type { CircuitEvent } from "./circuit-state.ts";

const { openMs, probes, probeTimeoutMs, minimumCalls } = defaultCircuitBreakerOptions;

/** A breaker on a clock of its own that keeps what it tells. */
function breakerWith(options: CircuitBreakerOptions = {}) {
  const clock = new VirtualClock();
  const events: CircuitEvent[] = [];
  const breaker = new CircuitBreaker({ now: () => clock.now(), onEvent: (event) => events.push(event), ...options });
  const acquire = (): BreakerPermit => {
    const permit = breaker.tryAcquire();
    assert.ok(permit, `refused while ${breaker.state.kind}`);
    return permit;
  };
  const call = (outcome: Outcome, times = 1) => {
    for (let n = 0; n < times; n += 1) acquire().end(outcome);
  };
  /** Has it open, by failures. */
  const open = () => {
    call("failure", minimumCalls);
    assert.equal(breaker.state.kind, "open");
  };
  const halfOpen = async () => {
    open();
    await clock.advance(openMs);
  };
  return { breaker, clock, events, acquire, call, open, halfOpen };
}

test("opens when the share of failures is reached, and not before there are enough calls", () => {
  const { breaker, call, events } = breakerWith();
  call("success", 9);
  call("failure", 10);
  assert.equal(breaker.state.kind, "closed");
  call("success");
  assert.deepEqual(breaker.state, { kind: "open", retryAfterMs: openMs });
  const rates = { calls: 20, failureRate: 0.5, slowRate: 0 };
  assert.deepEqual(events, [{ from: "closed", to: "open", why: "failures", rates }]);
});

test("stays closed below the share of failures", () => {
  const { breaker, call } = breakerWith();
  for (let n = 0; n < 100; n += 1) {
    call("success", 3);
    call("failure", 2);
  }
  assert.equal(breaker.state.kind, "closed");
});

test("shares that are no exact binary fractions are exact", () => {
  const { breaker, call } = breakerWith({ failureRate: 0.07, minimumCalls: 100 });
  call("success", 93);
  call("failure", 6);
  assert.equal(breaker.state.kind, "closed");
  call("failure");
  assert.equal(breaker.state.kind, "open");
});

test("opens when too many calls are slow, though they succeed", async () => {
  const { breaker, acquire, call, clock, events } = breakerWith({ slowCallMs: 100, slowRate: 0.5 });
  call("success", 10);
  const inTime = Array.from({ length: 5 }, acquire);
  await clock.advance(100);
  for (const permit of inTime) permit.end("success");
  const slow = Array.from({ length: 15 }, acquire);
  await clock.advance(101);
  for (const permit of slow) permit.end("success");
  assert.equal(breaker.state.kind, "open");
  assert.deepEqual(events.at(-1)?.why, "slow-calls");
  assert.deepEqual(events.at(-1)?.rates, { calls: 30, failureRate: 0, slowRate: 0.5 });
});

test("a window of calls forgets those before the last so many", () => {
  const { breaker, call } = breakerWith({ window: { kind: "count", calls: 10 }, minimumCalls: 10 });
  call("failure", 4);
  call("success", 6);
  call("success", 4);
  call("failure", 4);
  assert.equal(breaker.state.kind, "closed");
  call("failure");
  assert.equal(breaker.state.kind, "open");
});

test("a window of fewer calls than must be there is judged when it is full", () => {
  const { breaker, call } = breakerWith({ window: { kind: "count", calls: 5 } });
  call("failure", 4);
  assert.equal(breaker.state.kind, "closed");
  call("failure");
  assert.equal(breaker.state.kind, "open");
});

test("failures are forgotten with time, without any traffic", async () => {
  const { breaker, call, clock } = breakerWith();
  call("failure", 19);
  assert.deepEqual(breaker.rates, { calls: 19, failureRate: 1, slowRate: 0 });
  await clock.advance(10_000);
  assert.deepEqual(breaker.rates, { calls: 0, failureRate: 0, slowRate: 0 });
  call("failure", 19);
  assert.equal(breaker.state.kind, "closed");
});

test("neutral outcomes count for nothing", () => {
  const { breaker, call } = breakerWith();
  call("failure", 19);
  call("neutral", 1_000);
  assert.deepEqual(breaker.rates, { calls: 19, failureRate: 1, slowRate: 0 });
  call("failure");
  assert.equal(breaker.state.kind, "open");
});

test("refuses while it is open, and says how long that lasts", async () => {
  const { breaker, open, clock } = breakerWith();
  assert.equal(breaker.retryAfterMs, 0);
  open();
  await clock.advance(openMs - 1);
  assert.equal(breaker.tryAcquire(), undefined);
  assert.equal(breaker.retryAfterMs, 1);
  await clock.advance(1);
  assert.equal(breaker.retryAfterMs, 0);
  await clock.advance(1);
  assert.deepEqual(breaker.state, { kind: "open", retryAfterMs: 0 });
  assert.ok(breaker.tryAcquire());
});

test("lets exactly so many probes through, whoever else comes, and closes when they have succeeded", async () => {
  const { breaker, halfOpen, events } = breakerWith();
  await halfOpen();
  const permits = Array.from({ length: 10_000 }, () => breaker.tryAcquire()).filter((permit) => permit !== undefined);
  assert.equal(permits.length, probes);
  assert.equal(breaker.retryAfterMs, openMs);
  for (const [n, permit] of permits.entries()) {
    assert.deepEqual(breaker.state, { kind: "half-open", underWay: probes - n, succeeded: n });
    assert.equal(breaker.tryAcquire(), undefined);
    permit.end("success");
  }
  assert.equal(breaker.state.kind, "closed");
  assert.deepEqual(
    events.map(({ to, why }) => [to, why]),
    [
      ["open", "failures"],
      ["half-open", "waited"],
      ["closed", "probes-succeeded"],
    ],
  );
});

test("10,000 callers that all come at once and wait for their answers make exactly so many calls", async () => {
  for (const count of [1, 3, 100]) {
    const { breaker, halfOpen, clock } = breakerWith({ probes: count });
    await halfOpen();
    let calls = 0;
    const callers = Array.from({ length: 10_000 }, async () => {
      await undefined;
      const permit = breaker.tryAcquire();
      if (permit === undefined) return;
      calls += 1;
      await new Promise<void>((resolve) => clock.after(10, resolve));
      permit.end("success");
    });
    await clock.advance(10);
    await Promise.all(callers);
    assert.equal(calls, count);
    assert.equal(breaker.state.kind, "closed");
  }
});

test("has forgotten the failures when it closes", async () => {
  const { breaker, halfOpen, call } = breakerWith({ window: { kind: "count", calls: 100 } });
  await halfOpen();
  call("success", probes);
  call("failure", minimumCalls - 1);
  assert.equal(breaker.state.kind, "closed");
});

test("opens again for the whole time after a failed probe", async () => {
  const { breaker, halfOpen, acquire, call, clock, events } = breakerWith();
  await halfOpen();
  call("success", probes - 1);
  const failing = acquire();
  await clock.advance(30);
  failing.end("failure");
  assert.deepEqual(breaker.state, { kind: "open", retryAfterMs: openMs });
  assert.equal(events.at(-1)?.why, "probe-failed");
  await clock.advance(openMs);
  call("success", probes);
  assert.equal(breaker.state.kind, "closed");
});

test("opens again after a slow probe where slow calls matter", async () => {
  const { breaker, halfOpen, acquire, clock, events } = breakerWith({ slowCallMs: 100 });
  await halfOpen();
  const slow = acquire();
  await clock.advance(101);
  slow.end("success");
  assert.equal(breaker.state.kind, "open");
  assert.equal(events.at(-1)?.why, "probe-slow");
});

test("a neutral probe gives its permit back", async () => {
  const { breaker, halfOpen, acquire, call } = breakerWith();
  await halfOpen();
  const permits = Array.from({ length: probes }, acquire);
  assert.equal(breaker.tryAcquire(), undefined);
  permits[1]?.end("neutral");
  assert.equal(breaker.retryAfterMs, 0);
  const another = acquire();
  assert.equal(breaker.tryAcquire(), undefined);
  another.end("neutral");
  permits[0]?.end("success");
  permits[2]?.end("success");
  assert.deepEqual(breaker.state, { kind: "half-open", underWay: 0, succeeded: 2 });
  call("success");
  assert.equal(breaker.state.kind, "closed");
});

test("a probe that hangs gives its permit back, one for one, and what it says later is dropped", async () => {
  const { breaker, halfOpen, acquire, clock } = breakerWith();
  await halfOpen();
  const first = acquire();
  await clock.advance(1);
  const second = acquire();
  acquire();
  await clock.advance(probeTimeoutMs - 2);
  assert.equal(breaker.tryAcquire(), undefined);
  await clock.advance(1);
  acquire();
  assert.equal(breaker.tryAcquire(), undefined);
  first.end("failure");
  assert.deepEqual(breaker.state, { kind: "half-open", underWay: 3, succeeded: 0 });
  second.end("success");
  assert.deepEqual(breaker.state, { kind: "half-open", underWay: 2, succeeded: 1 });
});

test("whoever asks before calling learns when a hanging probe gives its permit back", async () => {
  const { breaker, halfOpen, acquire, clock } = breakerWith();
  await halfOpen();
  acquire();
  await clock.advance(1_000);
  for (let n = 1; n < probes; n += 1) acquire();
  assert.equal(breaker.retryAfterMs, openMs);
  await clock.advance(probeTimeoutMs - 1_400);
  assert.equal(breaker.retryAfterMs, 400);
  await clock.advance(400);
  assert.equal(breaker.retryAfterMs, 0);
  acquire();
  assert.equal(breaker.retryAfterMs, 1_000);
});

test("probes that all hang do not keep it half-open for ever", async () => {
  const { breaker, halfOpen, acquire, call, clock } = breakerWith();
  await halfOpen();
  for (let round = 0; round < 3; round += 1) {
    const hanging = Array.from({ length: probes }, acquire);
    assert.equal(breaker.tryAcquire(), undefined);
    await clock.advance(probeTimeoutMs);
    assert.equal(hanging.length, probes);
  }
  call("success", probes);
  assert.equal(breaker.state.kind, "closed");
});

test("what is said of calls that began in an earlier state is dropped", async () => {
  const { breaker, halfOpen, acquire, call, clock } = breakerWith();
  const beforeOpen = acquire();
  await halfOpen();
  const failing = acquire();
  const earlierProbe = acquire();
  beforeOpen.end("failure");
  assert.equal(breaker.state.kind, "half-open");
  failing.end("failure");
  await clock.advance(openMs);
  const probe = acquire();
  earlierProbe.end("success");
  earlierProbe.end("failure");
  assert.deepEqual(breaker.state, { kind: "half-open", underWay: 1, succeeded: 0 });
  probe.end("success");
  call("success", probes - 1);
  assert.deepEqual(breaker.rates, { calls: 0, failureRate: 0, slowRate: 0 });
  assert.equal(breaker.state.kind, "closed");
});

test("a call counts once, however often it is said to have ended", () => {
  const { breaker, acquire } = breakerWith();
  const permit = acquire();
  for (let n = 0; n < 100; n += 1) permit.end("failure");
  assert.equal(breaker.rates.calls, 1);
  const other = acquire();
  other.end("neutral");
  other.end("failure");
  assert.equal(breaker.rates.calls, 1);
});

test("is kept open by force until it is not any more, and begins anew then", async () => {
  const { breaker, acquire, clock, call, events } = breakerWith();
  call("failure", 5);
  const underWay = acquire();
  breaker.force("open");
  breaker.force("open");
  await clock.advance(1_000_000);
  assert.equal(breaker.tryAcquire(), undefined);
  assert.deepEqual(breaker.state, { kind: "forced-open" });
  assert.equal(breaker.retryAfterMs, openMs);
  breaker.force(undefined);
  breaker.force(undefined);
  underWay.end("failure");
  assert.deepEqual(breaker.state, { kind: "closed" });
  assert.equal(breaker.rates.calls, 0);
  assert.deepEqual(
    events.map(({ from, to, why }) => [from, to, why]),
    [
      ["closed", "forced-open", "forced"],
      ["forced-open", "closed", "released"],
    ],
  );
});

test("is kept closed by force whatever fails, and counts nothing of it", () => {
  const { breaker, open, call, acquire } = breakerWith();
  open();
  breaker.force("closed");
  assert.deepEqual(breaker.state, { kind: "forced-closed" });
  const underWay = acquire();
  call("failure", 1_000);
  assert.equal(breaker.state.kind, "forced-closed");
  assert.equal(breaker.retryAfterMs, 0);
  breaker.force(undefined);
  underWay.end("failure");
  assert.equal(breaker.rates.calls, 0);
});

test("nothing is forced: ceasing to force changes nothing", async () => {
  const { breaker, halfOpen, acquire } = breakerWith();
  await halfOpen();
  acquire();
  breaker.force(undefined);
  assert.deepEqual(breaker.state, { kind: "half-open", underWay: 1, succeeded: 0 });
});

test("a listener that throws disturbs nobody, and one that forces a state is heeded", () => {
  const { breaker, call } = breakerWith({
    onEvent: ({ to }) => {
      if (to === "open") breaker.force("closed");
      throw new Error("ignored");
    },
  });
  call("failure", minimumCalls);
  assert.deepEqual(breaker.state, { kind: "forced-closed" });
});

test("a listener may keep it open when it is about to try", async () => {
  const { breaker, halfOpen } = breakerWith({
    onEvent: ({ to }) => {
      if (to === "half-open") breaker.force("open");
    },
  });
  await halfOpen();
  assert.equal(breaker.tryAcquire(), undefined);
  assert.equal(breaker.state.kind, "forced-open");
});

test("the wall clock may jump: by default it is not looked at", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  const breaker = new CircuitBreaker({ openMs: 3_600_000, window: { kind: "time", ms: 3_600_000 } });
  for (let n = 0; n < minimumCalls - 1; n += 1) breaker.tryAcquire()?.end("failure");
  t.mock.timers.setTime(1_000_000 + 30 * 24 * 3_600_000);
  assert.equal(breaker.rates.calls, minimumCalls - 1);
  breaker.tryAcquire()?.end("failure");
  assert.equal(breaker.state.kind, "open");
  t.mock.timers.setTime(1_000_000 + 60 * 24 * 3_600_000);
  assert.equal(breaker.tryAcquire(), undefined);
  t.mock.timers.setTime(0);
  assert.ok(breaker.retryAfterMs <= 3_600_000);
});

test("goes on as ever after years, when milliseconds are many", async () => {
  const { breaker, clock, open, acquire, call } = breakerWith({ slowCallMs: 100 });
  await clock.advance(5 * 365 * 24 * 3_600_000);
  open();
  await clock.advance(openMs - 1);
  assert.equal(breaker.retryAfterMs, 1);
  await clock.advance(1);
  const slow = acquire();
  await clock.advance(101);
  slow.end("success");
  assert.equal(breaker.state.kind, "open");
  await clock.advance(openMs);
  call("success", probes);
  assert.equal(breaker.state.kind, "closed");
});

test("refuses options out of range by name", () => {
  const cases: readonly (readonly [CircuitBreakerOptions, RegExp])[] = [
    [{ window: { kind: "count", calls: 0 } }, /window\.calls must be a whole number from 1 to 100000, not 0/],
    [{ window: { kind: "time", ms: 9 } }, /window\.ms must be a whole number from 10, not 9/],
    [{ failureRate: 0 }, /failureRate must be a number above 0 to 1, not 0/],
    [{ failureRate: 1.1 }, /failureRate/],
    [{ slowRate: Number.NaN }, /slowRate/],
    [{ slowCallMs: 0 }, /slowCallMs must be a number from 1, not 0/],
    [{ minimumCalls: 0 }, /minimumCalls must be a whole number from 1, not 0/],
    [{ openMs: 0 }, /openMs/],
    [{ probes: 0 }, /probes must be a whole number from 1 to 1000, not 0/],
    [{ probeTimeoutMs: 0.5 }, /probeTimeoutMs/],
  ];
  for (const [options, message] of cases)
    assert.throws(() => new CircuitBreaker(options), { name: "RangeError", message });
});
