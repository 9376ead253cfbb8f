import assert from "node:assert/strict";
import { test } from "node:test";
import type { DescService } from "@bufbuild/protobuf";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { defaultMethodPolicy, largest, type PolicyOverrides, parsePolicies, policiesOf } from "./policy.ts";

const get = "/shoal.user.v1.UserService/GetUser";
const create = "/shoal.user.v1.UserService/CreateUser";
const watch = "/shoal.inventory.v1.InventoryService/WatchStock";
const load = "/shoal.inventory.v1.InventoryService/LoadStock";
const retry = {
  maxAttempts: 3,
  initialBackoffMs: 50,
  maxBackoffMs: 1_000,
  backoffMultiplier: 2,
  codes: ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
};

test("a service's defaults hold for its methods, attempts only where they may be repeated", () => {
  const users = policiesOf(UserService);
  assert.deepEqual(users.get(get), { ...defaultMethodPolicy, retry });
  assert.deepEqual(users.get(create), defaultMethodPolicy);
  const inventory = policiesOf(InventoryService);
  assert.equal(inventory.get(load)?.retry, undefined);
});

test("a stream lasts as long as its caller wants", () => {
  assert.equal(policiesOf(InventoryService).get(watch)?.timeoutMs, Number.POSITIVE_INFINITY);
});

test("a deployment overrides single settings of single methods", () => {
  const overrides = { [get]: { timeoutMs: 50, maxResponseBytes: 2 ** 23 } };
  const users = policiesOf(UserService, overrides);
  assert.deepEqual(users.get(get), { ...defaultMethodPolicy, retry, timeoutMs: 50, maxResponseBytes: 2 ** 23 });
  assert.equal(largest(users, "maxResponseBytes"), 2 ** 23);
  assert.deepEqual(policiesOf(InventoryService, overrides).size, 14);
});

test("what cannot be used is refused with the name of the method", () => {
  const refused = (overrides: PolicyOverrides, message: RegExp, service: DescService = UserService) =>
    assert.throws(() => policiesOf(service, overrides), message);
  refused({ [create]: { retry } }, /UserService\/CreateUser is to be retried, but .* set its idempotency_level/);
  const hedging = { maxAttempts: 2, delayMs: 10, nonFatalCodes: [] };
  refused({ [create]: { hedging } }, /CreateUser is to be hedged/);
  refused({ [get]: { hedging } }, /GetUser is to be retried and hedged/);
  refused({ [load]: { retry } }, /LoadStock is to be retried, but a stream of requests/, InventoryService);
  refused({ "/shoal.user.v1.UserService/GetUsr": { timeoutMs: 1 } }, /there is no method .*GetUsr/);
});

test("overrides are read from text in the contract's own words, and only what they say is overridden", () => {
  const overrides = parsePolicies(
    JSON.stringify({
      [get]: { timeout: "0.25s", priority: "PRIORITY_SHEDDABLE", authorization: { scopes: ["user.read"] } },
      [create]: { maxRequestBytes: 1_000 },
    }),
  );
  assert.deepEqual(overrides, {
    [get]: { timeoutMs: 250, priority: "sheddable", scopes: ["user.read"] },
    [create]: { maxRequestBytes: 1_000 },
  });
  const { timeoutMs, retry } = policiesOf(UserService, overrides).get(get) ?? {};
  assert.deepEqual([timeoutMs, retry], [250, policiesOf(UserService).get(get)?.retry]);
});

test("overrides that cannot be used say what is wrong", () => {
  const refused = (text: string, message: RegExp) => assert.throws(() => parsePolicies(text), message, text);
  refused("{", /must be JSON/);
  refused("[]", /must be a JSON object: /);
  refused('{"GetUser": {}}', /"GetUser" is not of the form \/package.Service\/Method/);
  refused('{"/a.B/C": {"timout": "1s"}}', /\/a.B\/C: .*timout/);
  refused('{"/a.B/C": {"timeout": "2h"}}', /\/a.B\/C: .*Duration.*2h/);
  refused('{"/a.B/C": {"timeout": "7200s"}}', /the policy of \/a.B\/C breaks its rules: timeout/);
});

test("breakers and rate limits are read in the contract's own words; what is not said is as by default", () => {
  const read = (policy: object) => policiesOf(UserService, parsePolicies(JSON.stringify({ [get]: policy }))).get(get);
  assert.deepEqual(read({})?.breaker, { kind: "circuit", options: {} });
  assert.equal(read({ noBreaker: true })?.breaker, undefined);
  assert.deepEqual(read({ throttle: { windowTime: "3s" } })?.breaker, {
    kind: "throttle",
    options: { windowMs: 3_000 },
  });
  const circuitBreaker = { windowCalls: 50, failureRate: 0.25, slowCallTime: "1s", openTime: "0.5s", probes: 2 };
  assert.deepEqual(read({ circuitBreaker })?.breaker, {
    kind: "circuit",
    options: {
      window: { kind: "count", calls: 50 },
      failureRate: 0.25,
      slowCallMs: 1_000,
      openMs: 500,
      probes: 2,
    },
  });
  assert.deepEqual(
    read({ rateLimits: [{ callsPerSecond: 2.5 }, { callsPerSecond: 0.1, key: "RATE_LIMIT_KEY_CALLER" }] })?.rateLimits,
    [
      { callsPerSecond: 2.5, burst: 2, key: "everybody", algorithm: "token_bucket" },
      { callsPerSecond: 0.1, burst: 1, key: "caller", algorithm: "token_bucket" },
    ],
  );
  assert.throws(() => read({ rateLimits: [{ callsPerSecond: 0 }] }), /GetUser breaks its rules: .*calls_per_second/s);
  assert.throws(() => read({ throttle: { multiplier: 0.5 } }), /GetUser breaks its rules: .*multiplier/s);
  assert.throws(() => read({ noBreaker: false }), /GetUser breaks its rules: .*no_breaker/s);
});
