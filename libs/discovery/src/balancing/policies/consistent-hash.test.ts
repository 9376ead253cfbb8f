import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "../endpoint.ts";
import { balancerOf, endpoint, endpoints, unary } from "../testing.ts";

const options = { policy: "consistent_hash", ejection: false } as const;
const keys = Array.from({ length: 2_000 }, (_, index) => `key-${index}`);

function ownersOf(balancer: ReturnType<typeof balancerOf>["balancer"]): Map<string, Endpoint | undefined> {
  return new Map(
    keys.map((hashKey) => {
      const pending = balancer.pick({ streaming: false, hashKey });
      pending?.end("success");
      return [hashKey, pending?.endpoint];
    }),
  );
}

test("a key goes to one endpoint, for every client", () => {
  const all = endpoints(10);
  const [one, other] = [balancerOf(options, 1).balancer, balancerOf(options, 2).balancer];
  one.update(all);
  other.update(endpoints(10).toReversed());
  const owners = ownersOf(one);
  assert.deepEqual(ownersOf(one), owners);
  for (const [key, owner] of ownersOf(other)) assert.equal(owner?.address, owners.get(key)?.address);
});

test("an endpoint that goes leaves its keys to the others, and no other key moves", () => {
  const { balancer } = balancerOf(options);
  const all = endpoints(10);
  balancer.update(all);
  const before = ownersOf(balancer);
  const [gone] = all;
  balancer.update(all.slice(1));
  const heirs = new Set<Endpoint | undefined>();
  for (const [key, owner] of ownersOf(balancer)) {
    if (before.get(key) === gone) heirs.add(owner);
    else assert.equal(owner, before.get(key), key);
  }
  assert.equal(heirs.size, 9);
});

test("keys are in proportion to weights", () => {
  const { balancer } = balancerOf(options);
  const all = [endpoint("a"), endpoint("b", { weight: 200 }), endpoint("c", { weight: 500 })];
  balancer.update(all);
  const owners = [...ownersOf(balancer).values()];
  for (const one of all) {
    const share = owners.filter((owner) => owner === one).length / keys.length;
    assert.ok(Math.abs(share - one.weight / 800) < 0.04, `${one.address} has ${share}`);
  }
});

test("no endpoint has more than 1.25 times its share of the calls in flight, though all have one key", () => {
  const { balancer } = balancerOf(options);
  const all = endpoints(8);
  balancer.update(all);
  for (let calls = 1; calls <= 400; calls += 1) {
    assert.ok(balancer.pick({ streaming: false, hashKey: "hot" }));
    const bound = Math.ceil((1.25 * calls) / all.length);
    for (const { inFlight } of all) assert.ok(inFlight <= bound, `${inFlight} of ${calls} in flight`);
  }
});

test("calls without a key go anywhere", () => {
  const { balancer } = balancerOf(options);
  balancer.update(endpoints(5));
  const chosen = Array.from({ length: 200 }, () => {
    const pending = balancer.pick(unary);
    pending?.end("success");
    return pending?.endpoint;
  });
  assert.equal(new Set(chosen).size, 5);
});

test("passes over who has no room, even where only those have room that are above their bound", () => {
  const { balancer } = balancerOf(options);
  const all = endpoints(4);
  balancer.update(all);
  const [roomy] = all;
  for (const full of all.slice(1)) full.hasRoom = () => false;
  for (let call = 0; call < 20; call += 1)
    assert.equal(balancer.pick({ streaming: false, hashKey: `key-${call}` })?.endpoint, roomy);
  for (const full of all) full.hasRoom = () => false;
  assert.notEqual(balancer.pick({ streaming: false, hashKey: "key" }), undefined);
});
