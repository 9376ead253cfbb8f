import assert from "node:assert/strict";
import { test } from "node:test";
import { balancerOf, endpoint, endpoints, stream, unary } from "../testing.ts";

const options = { policy: "least_request", ejection: false } as const;

test("the one with fewer calls in flight is chosen, streams among them", () => {
  const { balancer } = balancerOf(options);
  const [a, b] = endpoints(2);
  assert.ok(a && b);
  balancer.update([a, b]);
  for (let call = 0; call < 100; call += 1) {
    balancer.pick(call % 2 === 0 ? unary : stream);
    assert.ok(Math.abs(a.inFlight - b.inFlight) <= 1);
  }
});

test("calls in flight are in proportion to weights", () => {
  const { balancer } = balancerOf(options);
  const [light, heavy] = [endpoint("light", { weight: 100 }), endpoint("heavy", { weight: 300 })];
  balancer.update([light, heavy]);
  for (let call = 0; call < 400; call += 1) balancer.pick(unary);
  assert.ok(Math.abs(heavy.inFlight - 300) <= 2, `${heavy.inFlight} of 400`);
});

test("of many the one that is stuck is left alone", () => {
  const { balancer } = balancerOf(options);
  const all = endpoints(20);
  balancer.update(all);
  let toStuck = 0;
  for (let call = 0; call < 2_000; call += 1) {
    const pending = balancer.pick(unary);
    if (pending?.endpoint === all[0]) toStuck += 1;
    else pending?.end("success");
  }
  assert.ok(toStuck <= 2, `${toStuck} calls went to it`);
});

test("of many the only one with room is found", () => {
  const { balancer } = balancerOf(options);
  const all = endpoints(200);
  balancer.update(all);
  for (const full of all.slice(1)) full.hasRoom = () => false;
  for (let call = 0; call < 20; call += 1) assert.equal(balancer.pick(unary)?.endpoint, all[0]);
});
