import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionFate, chooseFault } from "./fault-choice.ts";
import type { FaultRule } from "./fault-rules.ts";

const blackHole = { blackHole: true } as const;
const never = () => assert.fail("nothing is left to chance here");
const slowed = { latencyMs: 1 } as const;
const choose = (rules: readonly FaultRule[], path: string) => chooseFault(rules, path, never);

test("a rule fits all calls, those of a service, one method, or a method of any service", () => {
  for (const [method, create, get, other] of [
    [undefined, true, true, true],
    ["/a.B/Create", true, false, false],
    ["a.B/Create", true, false, false],
    ["a.B/*", true, true, false],
    ["Create", true, false, true],
    ["a.C/*", false, false, false],
  ] as const) {
    const rules = [{ ...(method !== undefined && { method }), fault: slowed }];
    const fits = ["/a.B/Create", "/a.B/Get", "/x.Y/Create"].map((path) => choose(rules, path) !== undefined);
    assert.deepEqual(fits, [create, get, other], method);
  }
});

test("health checks are spared unless their service is named", () => {
  const path = "/grpc.health.v1.Health/Check";
  for (const method of [undefined, "Check", "*"])
    assert.equal(choose([{ ...(method !== undefined && { method }), fault: slowed }], path), undefined);
  for (const method of ["grpc.health.v1.Health/*", "/grpc.health.v1.Health/Check"])
    assert.equal(choose([{ method, fault: blackHole }], path), blackHole);
});

test("the first rule counts that fits and whose share includes the call", () => {
  const rules: readonly FaultRule[] = [
    { method: "Create", share: 0.5, fault: { latencyMs: 1 } },
    { share: 0.25, fault: { latencyMs: 2 } },
    { share: 0, fault: { latencyMs: 3 } },
  ];
  const with_ = (...numbers: number[]) => chooseFault(rules, "/a.B/Create", () => numbers.shift() ?? assert.fail());
  assert.deepEqual(with_(0.49), { latencyMs: 1 });
  assert.deepEqual(with_(0.5, 0.24), { latencyMs: 2 });
  assert.deepEqual(with_(0.5, 0.25, 0), undefined);
  assert.deepEqual(
    chooseFault(rules, "/a.B/Get", () => 0),
    { latencyMs: 2 },
  );
});

test("a black hole for connections is no matter of their calls: those on one that is spared meet the other rules", () => {
  const rules = [{ share: 0.5, fault: blackHole }, { fault: slowed }];
  assert.equal(choose(rules, "/a.B/Create"), slowed);
  assert.equal(choose([{ method: "*", fault: blackHole }], "/a.B/Create"), blackHole);
});

test("connections vanish only where all methods do", () => {
  const swallows = (rule: FaultRule, random: () => number) =>
    new ConnectionFate().isSwallowed([rule], random, () => {});
  assert.equal(swallows({ fault: blackHole }, never), true);
  assert.equal(swallows({ method: "Create", fault: blackHole }, never), false);
  assert.equal(swallows({ fault: { latencyMs: 1 } }, never), false);
  assert.equal(
    swallows({ share: 0.5, fault: blackHole }, () => 0.5),
    false,
  );
  assert.equal(
    swallows({ share: 0.5, fault: blackHole }, () => 0.4),
    true,
  );
});
