import assert from "node:assert/strict";
import { test } from "node:test";
import { balancerOf, endpoints, unary } from "../testing.ts";

const options = { policy: "round_robin", ejection: false } as const;

test("goes from one to the next, and round again", () => {
  const { balancer } = balancerOf(options);
  balancer.update(endpoints(5));
  const order = Array.from({ length: 15 }, () => balancer.pick(unary)?.endpoint.address);
  assert.equal(new Set(order.slice(0, 5)).size, 5);
  assert.deepEqual(order.slice(5, 10), order.slice(0, 5));
  assert.deepEqual(order.slice(10), order.slice(0, 5));
});

test("clients begin with different endpoints", () => {
  const firsts = Array.from({ length: 50 }, (_, seed) => {
    const { balancer } = balancerOf(options, seed);
    balancer.update(endpoints(10));
    return balancer.pick(unary)?.endpoint.address;
  });
  assert.ok(new Set(firsts).size > 5);
});

test("passes over who has no room, and takes turns all the same when nobody has", () => {
  const { balancer } = balancerOf(options);
  const all = endpoints(3);
  balancer.update(all);
  for (const full of all.slice(1)) full.hasRoom = () => false;
  for (let call = 0; call < 5; call += 1) assert.equal(balancer.pick(unary)?.endpoint, all[0]);
  for (const full of all) full.hasRoom = () => false;
  assert.equal(new Set(Array.from({ length: 3 }, () => balancer.pick(unary)?.endpoint)).size, 3);
});

test("an update that changes nothing does not disturb the turns", () => {
  const { balancer } = balancerOf(options);
  const all = endpoints(7);
  const counts = new Map(all.map((one) => [one, 0]));
  for (let call = 0; call < 700; call += 1) {
    balancer.update([...all]);
    const chosen = balancer.pick(unary)?.endpoint;
    if (chosen !== undefined) counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
  }
  assert.deepEqual(
    [...counts.values()],
    all.map(() => 100),
  );
});
