import assert from "node:assert/strict";
import { test } from "node:test";
import { balancingPolicies } from "./options.ts";
import { balancerOf, endpoints, randomFrom, unary } from "./testing.ts";

for (const policy of balancingPolicies) {
  test(`${policy}: nobody is chosen where nobody is ready, and the only one where there is one`, () => {
    const { balancer } = balancerOf({ policy });
    assert.equal(balancer.pick(unary), undefined);
    const [only] = endpoints(1);
    balancer.update(only === undefined ? [] : [only]);
    assert.equal(balancer.pick(unary)?.endpoint, only);
    balancer.update([]);
    assert.equal(balancer.pick(unary), undefined);
  });

  test(`${policy}: healthy endpoints share the calls`, () => {
    const { balancer, clock } = balancerOf({ policy });
    const all = endpoints(10);
    balancer.update(all);
    const random = randomFrom(2);
    const counts = new Map<string, number>();
    const going: { call: NonNullable<ReturnType<typeof balancer.pick>>; until: number }[] = [];
    for (let turn = 0; turn < 10_000; turn += 1) {
      clock.now += 1;
      for (const item of going.filter(({ until }) => until <= clock.now)) {
        item.call.end("success");
        going.splice(going.indexOf(item), 1);
      }
      const call = balancer.pick(unary);
      assert.ok(call);
      counts.set(call.endpoint.address, (counts.get(call.endpoint.address) ?? 0) + 1);
      going.push({ call, until: clock.now + 5 + random() * 10 });
    }
    for (const [address, count] of counts) assert.ok(count > 800 && count < 1_200, `${address} has ${count} of 10,000`);
    assert.equal(counts.size, 10);
    for (const { call } of going) call.end("success");
    assert.ok(all.every(({ inFlight }) => inFlight === 0));
  });
}

test("a call ends once, whatever it is told after that", () => {
  const { balancer } = balancerOf({});
  const [only] = endpoints(1);
  assert.ok(only);
  balancer.update([only]);
  const call = balancer.pick(unary);
  assert.equal(only.inFlight, 1);
  call?.end("success");
  call?.end("failure");
  call?.abandon();
  call?.started();
  assert.equal(only.inFlight, 0);
});
