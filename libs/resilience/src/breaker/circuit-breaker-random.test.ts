import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import type { Outcome } from "../outcome.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import { type CircuitBreakerSettings, defaultCircuitBreakerOptions } from "./circuit-breaker-options.ts";
import type { CircuitState } from "./circuit-state.ts";

interface ModelCall {
  readonly startedAt: number;
  readonly turn: object;
  ended: boolean;
}

/** What a circuit breaker does, said as plainly as it goes: lists of calls, looked through each time. */
class Model {
  kind: CircuitState["kind"] = "closed";
  probes: ModelCall[] = [];
  succeeded = 0;
  readonly #settings: CircuitBreakerSettings;
  #turn = {};
  #openUntil = 0;
  #counted: { endedAt: number; failed: boolean; slow: boolean }[] = [];

  constructor(settings: CircuitBreakerSettings) {
    this.#settings = settings;
  }

  acquire(now: number): ModelCall | undefined {
    const { probes, probeTimeoutMs } = this.#settings;
    if (this.kind === "forced-open" || (this.kind === "open" && now < this.#openUntil)) return undefined;
    if (this.kind === "open") this.#enter("half-open");
    const call = { startedAt: now, turn: this.#turn, ended: false };
    if (this.kind !== "half-open") return call;
    // Permits are taken back only when somebody wants one.
    if (this.probes.length + this.succeeded >= probes)
      this.probes = this.probes.filter(({ startedAt }) => now - startedAt < probeTimeoutMs);
    if (this.probes.length + this.succeeded >= probes) return undefined;
    this.probes.push(call);
    return call;
  }

  end(call: ModelCall, outcome: Outcome, now: number): void {
    if (call.ended) return;
    call.ended = true;
    if (call.turn !== this.#turn || (this.kind === "half-open" && !this.probes.includes(call))) return;
    this.probes = this.probes.filter((other) => other !== call);
    if (outcome === "neutral") return;
    const failed = outcome === "failure";
    const slow = now - call.startedAt > this.#settings.slowCallMs;
    if (this.kind === "closed") {
      this.#counted.push({ endedAt: now, failed, slow });
      const { calls, failureRate, slowRate } = this.rates(now);
      const { window, minimumCalls } = this.#settings;
      if (calls < (window.kind === "count" ? Math.min(window.calls, minimumCalls) : minimumCalls)) return;
      if (failureRate >= this.#settings.failureRate || slowRate >= this.#settings.slowRate) this.#open(now);
    } else if (this.kind === "half-open") {
      this.succeeded += 1;
      if (failed || slow) this.#open(now);
      else if (this.succeeded === this.#settings.probes) this.#enter("closed");
    }
  }

  force(state: "open" | "closed" | undefined): void {
    if (state === undefined) {
      if (this.kind.startsWith("forced")) this.#enter("closed");
    } else if (this.kind !== `forced-${state}`) this.#enter(`forced-${state}`);
  }

  rates(now: number) {
    const { window } = this.#settings;
    const tick = (time: number) => Math.floor(time / (window.kind === "time" ? window.ms / 10 : 1));
    const inside =
      window.kind === "count"
        ? this.#counted.slice(-window.calls)
        : this.#counted.filter(({ endedAt }) => tick(endedAt) > tick(now) - 10);
    const share = (which: "failed" | "slow") =>
      inside.length === 0 ? 0 : inside.filter((call) => call[which]).length / inside.length;
    return { calls: inside.length, failureRate: share("failed"), slowRate: share("slow") };
  }

  #open(now: number): void {
    this.#openUntil = now + this.#settings.openMs;
    this.#enter("open");
  }

  #enter(kind: CircuitState["kind"]): void {
    this.kind = kind;
    this.#turn = {};
    this.probes = [];
    this.succeeded = 0;
    if (kind === "closed") this.#counted = [];
  }
}

const whole = (min: number, max: number) => fc.integer({ min, max });
const share = fc.double({ min: 0.05, max: 1, noNaN: true });

const settings: fc.Arbitrary<CircuitBreakerSettings> = fc.record({
  window: fc.oneof(
    fc.record({ kind: fc.constant("count" as const), calls: whole(1, 20) }),
    fc.record({ kind: fc.constant("time" as const), ms: whole(10, 500) }),
  ),
  failureRate: share,
  slowRate: share,
  slowCallMs: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), whole(1, 50)),
  minimumCalls: whole(1, 15),
  openMs: whole(1, 200),
  probes: whole(1, 5),
  probeTimeoutMs: whole(1, 200),
});

type Step =
  | { readonly do: "acquire"; readonly times: number }
  | { readonly do: "end"; readonly which: number; readonly outcome: Outcome }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "force"; readonly state: "open" | "closed" | undefined };

/** Calls that never end are those that no `end` happens to name. */
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("acquire" as const), times: whole(1, 8) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      which: fc.nat(),
      outcome: fc.constantFrom<Outcome>("success", "failure", "failure", "neutral"),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.oneof(whole(0, 20), whole(0, 300)) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("force" as const),
      state: fc.constantFrom("open" as const, "closed" as const, undefined),
    }),
  },
);

test("does what its plain model does, whatever callers, callees, time and operators do", async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(settings, fc.array(step, { minLength: 20, maxLength: 200, size: "max" }), async (given, steps) => {
      const clock = new VirtualClock();
      const start = clock.now();
      const time = () => clock.now() - start;
      const gaps: string[] = [];
      let kind: CircuitState["kind"] = "closed";
      const breaker = new CircuitBreaker({
        ...given,
        now: () => clock.now(),
        onEvent: ({ from, to, why }) => {
          if (from !== kind) gaps.push(`${kind}, ${from}`);
          kind = to;
          seen.add(why);
        },
      });
      const model = new Model(given);
      const calls: { permit: NonNullable<ReturnType<typeof breaker.tryAcquire>>; model: ModelCall }[] = [];
      for (const action of steps) {
        if (action.do === "wait") await clock.advance(action.ms);
        else if (action.do === "force") {
          breaker.force(action.state);
          model.force(action.state);
        } else if (action.do === "acquire") {
          for (let n = 0; n < action.times; n += 1) {
            const isTold = breaker.retryAfterMs === 0;
            const permit = breaker.tryAcquire();
            assert.equal(permit !== undefined, isTold, "it does not do what it tells those who ask first");
            const expected = model.acquire(time());
            assert.equal(permit !== undefined, expected !== undefined, `while ${model.kind}`);
            if (permit !== undefined && expected !== undefined) calls.push({ permit, model: expected });
          }
        } else {
          // Mostly the latest calls, those that have ended included.
          const call = calls.at(-1 - (action.which % Math.min(12, calls.length || 1)));
          call?.permit.end(action.outcome);
          if (call !== undefined) model.end(call.model, action.outcome, time());
        }
        const { state } = breaker;
        assert.equal(state.kind, model.kind);
        assert.equal(kind, model.kind, "not told of a change");
        assert.deepEqual(gaps, []);
        assert.deepEqual(breaker.rates, model.rates(time()));
        if (state.kind !== "half-open") continue;
        assert.deepEqual([state.underWay, state.succeeded], [model.probes.length, model.succeeded]);
        assert.ok(state.underWay + state.succeeded <= given.probes, "more probes than there may be");
      }
    }),
    { numRuns: 300 },
  );
  const causes = [
    "failures",
    "slow-calls",
    "waited",
    "probes-succeeded",
    "probe-failed",
    "probe-slow",
    "forced",
    "released",
  ];
  assert.deepEqual([...seen].sort(), causes.sort(), "the runs did not come to every change that there is");
});

test("in any mix of answers a half-open breaker never lets more than its probes through that end in an answer", async () => {
  const { openMs } = defaultCircuitBreakerOptions;
  await fc.assert(
    fc.asyncProperty(
      whole(1, 50),
      fc.array(fc.constantFrom<Outcome>("success", "neutral"), { maxLength: 200 }),
      async (probes, outcomes) => {
        const clock = new VirtualClock();
        const breaker = new CircuitBreaker({ probes, minimumCalls: 1, now: () => clock.now() });
        breaker.tryAcquire()?.end("failure");
        await clock.advance(openMs);
        let answered = 0;
        for (const outcome of outcomes) {
          const permits = Array.from({ length: 2 * probes }, () => breaker.tryAcquire()).filter((p) => p !== undefined);
          assert.equal(permits.length, probes - answered);
          permits[0]?.end(outcome);
          for (const permit of permits.slice(1)) permit.end("neutral");
          if (outcome === "success") answered += 1;
          if (answered === probes) break;
        }
        assert.equal(breaker.state.kind, answered === probes ? "closed" : outcomes.length === 0 ? "open" : "half-open");
      },
    ),
  );
});
