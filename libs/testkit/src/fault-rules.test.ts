import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFaultRules } from "./fault-rules.ts";

test("reads every kind of rule as it is", () => {
  const rules = [
    { fault: { latencyMs: 300, jitterMs: 50 } },
    { fault: { latencyMs: 2_147_483_000, jitterMs: 647 } },
    { method: "/shoal.order.v1.OrderService/CreateOrder", share: 0.5, fault: { code: "UNAVAILABLE", message: "away" } },
    { method: "shoal.order.v1.OrderService/*", fault: { reset: "connection", afterwards: true } },
    { method: "CreateOrder", share: 0, fault: { reset: "stream", afterwards: false } },
    { fault: { blackHole: true } },
  ];
  assert.deepEqual(parseFaultRules(JSON.parse(JSON.stringify(rules))), rules);
  assert.deepEqual(parseFaultRules([]), []);
});

for (const [given, says] of [
  [{}, "faults must be a list of rules, not {}"],
  [[7], "faults[0] must be an object, not 7"],
  [[{}], "faults[0].fault must be an object, not nothing"],
  [
    [{ fault: { blackHole: true } }, { fault: {} }],
    "faults[1].fault must have latencyMs, code, reset or blackHole, not {}",
  ],
  [[{ share: 2, fault: { blackHole: true } }], "faults[0].share must be a number from 0 to 1, not 2"],
  [
    [{ method: "a b", fault: { blackHole: true } }],
    'faults[0].method must be /pkg.Service/Method, pkg.Service/* or Method, not "a b"',
  ],
  [[{ methods: "x", fault: { blackHole: true } }], "faults[0] has no methods beside method, share and fault"],
  [
    [{ fault: { latencyMs: -1 } }],
    "faults[0].fault.latencyMs must be a number of milliseconds from 0 to 2147483647, not -1",
  ],
  [
    [{ fault: { latencyMs: 2_147_483_000, jitterMs: 648 } }],
    "faults[0].fault.latencyMs and jitterMs must be 2147483647 milliseconds together at most, not 2147483648",
  ],
  [[{ fault: { latencyMs: 1, code: "INTERNAL" } }], "faults[0].fault has no code beside latencyMs and jitterMs"],
  [[{ fault: { reset: "all" } }], 'faults[0].fault.reset must be "stream" or "connection", not "all"'],
  [[{ fault: { blackHole: false } }], "faults[0].fault.blackHole must be true, not false"],
  [[{ fault: { code: "INTERNAL", afterwards: 1 } }], "faults[0].fault.afterwards must be true or false, not 1"],
] as const)
  test(`says what is wrong: ${says}`, () => {
    assert.throws(() => parseFaultRules(given), new RangeError(says));
  });

test("a code that is none, or no failure, is refused with those that are", () => {
  for (const code of ["OK", "unavailable", 14])
    assert.throws(
      () => parseFaultRules([{ fault: { code } }]),
      /^RangeError: faults\[0\]\.fault\.code must be one of CANCELLED, UNKNOWN, .*UNAUTHENTICATED, not /,
    );
});
