import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { Balancer } from "./balancer.ts";
import { balancingPolicies, defaultEjectionOptions } from "./options.ts";
import { balancerOf, endpoint, endpoints, unary } from "./testing.ts";

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

test("an abandoned call leaves no trace: neither of load, nor of latency, nor of failure", () => {
  const { balancer, clock } = balancerOf({ policy: "p2c_ewma" });
  const [a, b] = endpoints(2);
  assert.ok(a && b);
  balancer.update([a, b]);
  const counts = new Map<unknown, number>();
  for (let call = 0; call < 1_000; call += 1) {
    const pending = balancer.pick(unary);
    if (pending?.endpoint === a && call % 2 === 0) {
      clock.now += 1_000;
      pending.abandon();
      continue;
    }
    clock.now += 10;
    pending?.end("success");
    counts.set(pending?.endpoint, (counts.get(pending?.endpoint) ?? 0) + 1);
  }
  assert.equal(a.inFlight + b.inFlight, 0);
  assert.ok((counts.get(a) ?? 0) > 150, `${counts.get(a)} calls of a were not abandoned, ${counts.get(b)} of b`);
});

const near = { zone: "near" };
const far = { zone: "far" };

/** How much of 4,000 calls goes to endpoints of the zone `near`; they end at once. */
function nearShare(balancer: ReturnType<typeof balancerOf>["balancer"], hashKeys = false): number {
  let count = 0;
  for (let call = 0; call < 4_000; call += 1) {
    const pending = balancer.pick({ streaming: false, hashKey: hashKeys ? `key-${call}` : undefined });
    if (pending?.endpoint.zone === "near") count += 1;
    pending?.end("success");
  }
  return count / 4_000;
}

for (const policy of balancingPolicies) {
  test(`${policy}: calls stay in the zone while enough of it can be called, then leave it in proportion`, () => {
    const { balancer } = balancerOf({ policy, zone: "near" });
    const locals = endpoints(10, near);
    const others = endpoints(10, far).map((one, index) => endpoint(`b${index}`, { ...far, weight: one.weight }));
    const known = [...locals, ...others];
    for (const [ready, share] of [
      [10, 1],
      [8, 1],
      [5, 0.7],
      [2, 0.28],
      [0, 0],
    ] as const) {
      balancer.update([...locals.slice(0, ready), ...others], known);
      const stays = nearShare(balancer, policy === "consistent_hash");
      assert.ok(Math.abs(stays - share) < 0.03, `${ready} of 10 ready: ${stays}`);
    }
    balancer.update(locals.slice(0, 1), known);
    assert.equal(nearShare(balancer), 1);
  });

  test(`${policy}: calls leave the zone while nobody in it has room, and queue in it when nobody has any`, () => {
    const { balancer } = balancerOf({ policy, zone: "near" });
    const [local, other] = [endpoint("a", near), endpoint("b", far)];
    balancer.update([local, other]);
    assert.equal(balancer.pick(unary)?.endpoint, local);
    local.hasRoom = () => false;
    assert.equal(balancer.pick(unary)?.endpoint, other);
    other.hasRoom = () => false;
    assert.equal(balancer.pick(unary)?.endpoint, local);
  });
}

test("consistent_hash: a key stays where it is while some keys leave the zone", () => {
  const { balancer } = balancerOf({ policy: "consistent_hash", zone: "near" });
  const known = [...endpoints(4, near), endpoint("b", far)];
  balancer.update(known.slice(2), known);
  const owners = new Set<string>();
  for (let key = 0; key < 50; key += 1) {
    const chosen = Array.from({ length: 10 }, () => {
      const pending = balancer.pick({ streaming: false, hashKey: `key-${key}` });
      pending?.end("success");
      return pending?.endpoint.address ?? "";
    });
    assert.equal(new Set(chosen).size, 1, `key ${key}`);
    owners.add(chosen[0] ?? "");
  }
  assert.equal(owners.size, 3);
});

test("ejected endpoints are as good as not ready, as far as the zone goes", () => {
  const { balancer, clock } = balancerOf({ policy: "round_robin", zone: "near" });
  const locals = endpoints(2, near);
  const others = [endpoint("b0", far), endpoint("b1", far)];
  balancer.update([...locals, ...others]);
  for (let call = 0; call < 100; call += 1) {
    clock.now += 1;
    const pending = balancer.pick(unary);
    pending?.end(pending.endpoint === locals[0] ? "failure" : "success");
  }
  assert.ok(Math.abs(nearShare(balancer) - 0.7) < 0.03);
});

test("without a zone of its own a client calls all zones alike", () => {
  const { balancer } = balancerOf({ policy: "round_robin" });
  balancer.update([endpoint("a", near), endpoint("b", far)]);
  assert.equal(nearShare(balancer), 0.5);
});

test("slow start counts from when an endpoint came to be known, where nobody says when it began", () => {
  const { balancer, clock } = balancerOf({ policy: "weighted_round_robin", slowStartMs: 10_000 });
  const [first, second, third] = [endpoint("a"), endpoint("b"), endpoint("c", { startedAt: 9_999_999_999_999 })];
  const countOf = (one: typeof first) => {
    const chosen = Array.from({ length: 1_000 }, () => balancer.pick(unary)?.endpoint);
    return chosen.filter((other) => other === one).length;
  };
  balancer.update([]);
  balancer.update([first], [first, second]);
  clock.now += 1_000;
  balancer.update([first, second], [first, second]);
  assert.ok(Math.abs(countOf(second) - 500) <= 1, "known from the beginning, connected later");
  balancer.update([first, second, third]);
  assert.ok(countOf(third) < 60, "began in the future, by this clock");
  clock.now += 10_000;
  assert.ok(Math.abs(countOf(third) - 333) <= 2);
});

test("two with the same calls, times and random numbers choose the same", () => {
  for (const policy of balancingPolicies) {
    const run = () => {
      const { balancer, clock } = balancerOf({ policy }, 11);
      balancer.update(endpoints(20));
      return Array.from({ length: 500 }, (_, call) => {
        clock.now += 3;
        const pending = balancer.pick({ streaming: false, hashKey: `key-${call % 7}` });
        if (call % 3 !== 0) pending?.end(call % 5 === 0 ? "failure" : "success");
        return pending?.endpoint.address;
      });
    };
    assert.deepEqual(run(), run(), policy);
  }
});

test("options out of range are refused by name", () => {
  assert.throws(() => balancerOf({ slowStartMs: -1 }), /^RangeError: slowStartMs /);
});

for (const policy of balancingPolicies) {
  test(`${policy}: only endpoints that accept a call are chosen for it`, () => {
    const { balancer } = balancerOf({ policy });
    const all = endpoints(5);
    balancer.update(all);
    const [accepting] = all.slice(3);
    for (let n = 0; n < 200; n += 1) {
      const call = balancer.pick({ ...unary, hashKey: `key ${n}` }, (one) => one === accepting);
      assert.equal(call?.endpoint, accepting);
      // Not even its load makes the policy look elsewhere.
      if (n % 2 === 0) call?.end("success");
    }
    assert.equal(
      balancer.pick(unary, () => false),
      undefined,
    );
  });

  test(`${policy}: an endpoint without room is chosen when no other accepts the call`, () => {
    const { balancer } = balancerOf({ policy });
    const all = endpoints(3);
    balancer.update(all);
    const [full] = all;
    assert.ok(full);
    full.hasRoom = () => false;
    assert.equal(balancer.pick(unary, (one) => one === full)?.endpoint, full);
  });
}

test("an endpoint of the other zone is chosen when none of its own accepts the call", () => {
  const { balancer } = balancerOf({ zone: "here" });
  const [here, there] = [endpoint("here", { zone: "here" }), endpoint("there", { zone: "there" })];
  balancer.update([here, there]);
  for (let n = 0; n < 20; n += 1) assert.equal(balancer.pick(unary, (one) => one !== here)?.endpoint, there);
});

test("ejected endpoints are chosen by those alone who ask for them, and it is told who is out and who is back", () => {
  const told: string[] = [];
  const clock = { now: 1_000_000 };
  const ejection = { ...defaultEjectionOptions, probeSuccesses: 1 };
  const balancer = new Balancer(
    { policy: "round_robin", ejection },
    () => clock.now,
    randomFrom(1),
    ({ type, endpoint: { address } }) => told.push(`${address} ${type}`),
  );
  const [bad, good] = [endpoint("bad"), endpoint("good")];
  balancer.update([bad, good]);
  for (let n = 0; n < 100; n += 1) {
    const call = balancer.pick(unary);
    call?.end(call.endpoint === bad ? "failure" : "success");
  }
  assert.deepEqual(told, ["bad ejected"]);
  assert.equal(
    balancer.pick(unary, (one) => one === bad),
    undefined,
  );
  const anyway = balancer.pickEjected(unary, () => true);
  assert.equal(anyway?.endpoint, bad);
  assert.equal(bad.inFlight, 1);
  // It is no probe: nothing comes of it.
  anyway?.end("success");
  assert.equal(bad.inFlight, 0);
  assert.equal(
    balancer.pickEjected(unary, (one) => one === good),
    undefined,
  );
  // A probe is due, but not for a call that the endpoint does not accept.
  clock.now += 10_000;
  const other = balancer.pick(unary, (one) => one === good);
  assert.equal(other?.endpoint, good);
  const probe = balancer.pick(unary);
  assert.equal(probe?.endpoint, bad);
  probe?.end("success");
  assert.deepEqual(told, ["bad ejected", "bad restored"]);
});
