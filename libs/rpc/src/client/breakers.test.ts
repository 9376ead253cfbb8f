import assert from "node:assert/strict";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { Endpoint } from "@shoal/discovery";
import type { BreakerPolicy } from "../policy.ts";
import { breakerOutcomeOf, MethodBreakers } from "./breakers.ts";
import type { ResilienceEvent } from "./resilience-events.ts";

const path = "/a.B/C";
const here = new Endpoint({ address: "10.0.0.1:1", zone: "", weight: 1, startedAt: 0 });
const there = new Endpoint({ address: "10.0.0.2:1", zone: "", weight: 1, startedAt: 0 });
const circuit: BreakerPolicy = { kind: "circuit", options: { minimumCalls: 2, openMs: 1_000 } };

function guardOf(policy: BreakerPolicy, breakers = new MethodBreakers(path, undefined)) {
  const guard = breakers.guardOf(policy, "default");
  assert.ok(guard);
  return guard;
}

function fail(guard: ReturnType<typeof guardOf>, endpoint: Endpoint, calls: number, code = status.UNAVAILABLE): void {
  for (let n = 0; n < calls; n += 1) {
    const permit = guard.admit(endpoint);
    if (permit !== undefined) guard.ended(permit, code, 100);
  }
}

/** What each code says, for a circuit breaker and for an adaptive throttle. */
const outcomes: Readonly<Record<keyof typeof status, readonly [circuit: string, throttle: string]>> = {
  OK: ["success", "success"],
  CANCELLED: ["neutral", "neutral"],
  UNKNOWN: ["failure", "neutral"],
  INVALID_ARGUMENT: ["neutral", "neutral"],
  DEADLINE_EXCEEDED: ["failure", "neutral"],
  NOT_FOUND: ["neutral", "neutral"],
  ALREADY_EXISTS: ["neutral", "neutral"],
  PERMISSION_DENIED: ["neutral", "neutral"],
  RESOURCE_EXHAUSTED: ["neutral", "failure"],
  FAILED_PRECONDITION: ["neutral", "neutral"],
  ABORTED: ["neutral", "neutral"],
  OUT_OF_RANGE: ["neutral", "neutral"],
  UNIMPLEMENTED: ["neutral", "neutral"],
  INTERNAL: ["failure", "neutral"],
  UNAVAILABLE: ["failure", "failure"],
  DATA_LOSS: ["failure", "neutral"],
  UNAUTHENTICATED: ["neutral", "neutral"],
};

test("each code counts as a failure, a success, or not at all, and what the caller did counts not at all", () => {
  for (const [name, [forCircuit, forThrottle]] of Object.entries(outcomes)) {
    const code = status[name as keyof typeof status];
    assert.equal(breakerOutcomeOf("circuit", code, 100), forCircuit, name);
    assert.equal(breakerOutcomeOf("throttle", code, 100), forThrottle, name);
  }
});

test("a deadline that passed as soon as the call was sent says nothing of the callee", () => {
  assert.equal(breakerOutcomeOf("circuit", status.DEADLINE_EXCEEDED, 9.9), "neutral");
  assert.equal(breakerOutcomeOf("circuit", status.DEADLINE_EXCEEDED, 10), "failure");
  assert.equal(breakerOutcomeOf("circuit", status.UNAVAILABLE, 0.1), "failure");
});

test("each instance has a breaker of its own", () => {
  const guard = guardOf(circuit);
  fail(guard, here, 2);
  assert.equal(guard.admit(here), undefined);
  assert.equal(guard.mayAdmit(here), false);
  assert.ok(guard.closedForMs(here) > 0);
  assert.ok(guard.admit(there));
  assert.equal(guard.mayAdmit(there), true);
});

test("an adaptive throttle keeps the priorities apart", () => {
  const breakers = new MethodBreakers(path, undefined);
  const policy: BreakerPolicy = { kind: "throttle", options: { minimumCalls: 1 } };
  const sheddable = breakers.guardOf(policy, "sheddable");
  assert.ok(sheddable);
  fail(sheddable, here, 10, status.RESOURCE_EXHAUSTED);
  // It refuses by chance, ten of eleven.
  const refused = Array.from({ length: 100 }, () => sheddable.admit(here)).filter((permit) => permit === undefined);
  assert.ok(refused.length > 0);
  const critical = breakers.guardOf(policy, "critical");
  for (let n = 0; n < 100; n += 1) assert.ok(critical?.admit(here));
  assert.equal(sheddable.refusal(100).reason, "THROTTLED");
});

test("of circuit breakers there is one for all priorities", () => {
  const breakers = new MethodBreakers(path, undefined);
  assert.equal(breakers.guardOf(circuit, "critical"), breakers.guardOf(circuit, "sheddable"));
});

test("another policy begins anew, and calls of the one before go on with what that knew", () => {
  const breakers = new MethodBreakers(path, undefined);
  fail(guardOf(circuit, breakers), here, 2);
  assert.ok(guardOf({ ...circuit }, breakers).admit(here));
  assert.equal(guardOf(circuit, breakers).admit(here), undefined);
  assert.equal(breakers.guardOf(undefined, "default"), undefined);
});

test("a change of state is told with the method and the instance, and a listener that throws changes nothing", (t) => {
  const told: ResilienceEvent[] = [];
  fail(guardOf(circuit, new MethodBreakers(path, (event) => told.push(event))), here, 2);
  const event = { type: "breaker", path, instance: "10.0.0.1:1", from: "closed", to: "open", why: "failures" };
  assert.deepEqual(told, [event]);
  const warn = t.mock.method(process, "emitWarning", () => {});
  const broken = new MethodBreakers(path, () => {
    throw new Error("the log is broken");
  });
  fail(guardOf(circuit, broken), here, 2);
  assert.equal(guardOf(circuit, broken).admit(here), undefined);
  assert.equal(warn.mock.callCount(), 1);
});

test("a refusal says why, and when to come again", () => {
  const { kind, reason, retryAfterMs, message } = guardOf(circuit).refusal(1_234.5);
  assert.deepEqual([kind, reason, retryAfterMs], ["unavailable", "CIRCUIT_OPEN", 1_235]);
  assert.match(message, /\/a\.B\/C/);
});
