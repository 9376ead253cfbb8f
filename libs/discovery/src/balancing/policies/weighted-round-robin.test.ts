import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { balancerOf, endpoint, endpoints, unary } from "../testing.ts";

const options = { policy: "weighted_round_robin", ejection: false } as const;

test("each has calls in proportion to its weight, evenly spaced", () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const random = randomFrom(seed);
    const all = Array.from({ length: 1 + Math.floor(random() * 20) }, (_, index) =>
      endpoint(`a${index}`, { weight: 1 + Math.floor(random() * 1_000) }),
    );
    const { balancer } = balancerOf(options, seed);
    balancer.update(all);
    const total = all.reduce((sum, { weight }) => sum + weight, 0);
    const turns = new Map(all.map((one): [typeof one, number[]] => [one, []]));
    for (let turn = 0; turn < 20_000; turn += 1) {
      const chosen = balancer.pick(unary)?.endpoint;
      if (chosen !== undefined) turns.get(chosen)?.push(turn);
    }
    for (const [{ address, weight }, at] of turns) {
      const share = weight / total;
      const what = `seed ${seed}, ${address} of weight ${weight} of ${total}`;
      assert.ok(Math.abs(at.length - 20_000 * share) <= 20_000 * share * 0.02 + 3, `${what} has ${at.length}`);
      const gaps = at.slice(1).map((turn, index) => turn - (at[index] as number));
      const longest = Math.max(0, ...gaps);
      assert.ok(longest <= 2 / share + 2 * all.length, `${what} once waits for ${longest} calls`);
    }
  }
});

test("no endpoint has two calls in a row while others of its weight have none", () => {
  const { balancer } = balancerOf(options);
  balancer.update(endpoints(7));
  for (let round = 0; round < 100; round += 1)
    assert.equal(new Set(Array.from({ length: 7 }, () => balancer.pick(unary)?.endpoint)).size, 7);
});

test("an endpoint that has just begun has a tenth of its share, then ever more", () => {
  const { balancer, clock } = balancerOf({ ...options, slowStartMs: 10_000 });
  const old = endpoints(3);
  const young = endpoint("young", { startedAt: clock.now });
  balancer.update(old);
  balancer.update([...old, young]);
  const shareOfYoung = () => {
    const chosen = Array.from({ length: 4_000 }, () => balancer.pick(unary)?.endpoint);
    return chosen.filter((one) => one === young).length / 1_000;
  };
  const at = (part: number) => part / ((3 + part) / 4);
  for (const [after, part] of [
    [0, 0.1],
    [5_000, 0.5],
    [10_000, 1],
  ] as const) {
    clock.now = 1_000_000 + after;
    assert.ok(Math.abs(shareOfYoung() - at(part)) < 0.03, `after ${after} ms`);
  }
});

test("passes over who has no room, however little weight is left", () => {
  const { balancer } = balancerOf(options);
  const heavy = endpoint("heavy", { weight: 1_000 });
  const light = endpoint("light", { weight: 1 });
  balancer.update([heavy, light]);
  heavy.hasRoom = () => false;
  for (let call = 0; call < 5; call += 1) assert.equal(balancer.pick(unary)?.endpoint, light);
  light.hasRoom = () => false;
  assert.notEqual(balancer.pick(unary), undefined);
});

test("a weight that is changed counts from the next update on", () => {
  const { balancer } = balancerOf(options);
  const [a, b] = [endpoint("a"), endpoint("b")];
  balancer.update([a, b]);
  a.weight = 300;
  balancer.update([a, b]);
  const chosen = Array.from({ length: 400 }, () => balancer.pick(unary)?.endpoint);
  assert.ok(Math.abs(chosen.filter((one) => one === a).length - 300) <= 3);
});

test("clients begin with different endpoints", () => {
  const firsts = Array.from({ length: 50 }, (_, seed) => {
    const { balancer } = balancerOf(options, seed);
    balancer.update(endpoints(10));
    return balancer.pick(unary)?.endpoint.address;
  });
  assert.ok(new Set(firsts).size > 5);
});

test("endpoints of a small weight do not all have their turns at once", () => {
  const { balancer } = balancerOf(options);
  const heavy = endpoint("heavy", { weight: 200 });
  balancer.update([heavy, ...endpoints(6)]);
  let between = 0;
  for (let call = 0; call < 1_000; call += 1) {
    between = balancer.pick(unary)?.endpoint === heavy ? 0 : between + 1;
    assert.ok(between <= 4, `${between} calls in a row without the heavy one, call ${call}`);
  }
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
