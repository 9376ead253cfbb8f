import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import type { Endpoint, Outcome } from "./endpoint.ts";
import { type BalancingOptions, defaultEjectionOptions } from "./options.ts";
import type { PendingCall } from "./pending-call.ts";
import { balancerOf, endpoints, stream, unary } from "./testing.ts";

const ejection = { ...defaultEjectionOptions, baseMs: 5_000, maxMs: 40_000, probeSuccesses: 3, probeTimeoutMs: 2_000 };
const options: Partial<BalancingOptions> = { policy: "round_robin", slowStartMs: 0, ejection };
/** Longer than the first ejection can last, jitter and all. */
const firstMs = 6_001;

/** A balancer over `count` endpoints, and calls that end as the world says at once. */
function worldOf(count: number, change: Partial<BalancingOptions> = {}, seed = 1) {
  const { balancer, clock } = balancerOf({ ...options, ...change }, seed);
  const all = endpoints(count);
  balancer.update(all);
  const [first] = all;
  assert.ok(first);
  /** So many calls, one after the other; how many go to whom. */
  const call = (calls: number, outcomeOf: (endpoint: Endpoint) => Outcome, paceMs = 1): Map<Endpoint, number> => {
    const counts = new Map<Endpoint, number>();
    for (let turn = 0; turn < calls; turn += 1) {
      clock.now += paceMs;
      const pending = balancer.pick(unary);
      assert.ok(pending);
      counts.set(pending.endpoint, (counts.get(pending.endpoint) ?? 0) + 1);
      pending.end(outcomeOf(pending.endpoint));
    }
    return counts;
  };
  const failing = (bad: Endpoint) => (endpoint: Endpoint) => (endpoint === bad ? "failure" : "success");
  const well = (): Outcome => "success";
  return { balancer, clock, all, first, call, failing, well };
}

/** The next call that goes to `endpoint`, of a few; the others succeed. */
function pickFor(balancer: ReturnType<typeof balancerOf>["balancer"], endpoint: Endpoint): PendingCall | undefined {
  for (let turn = 0; turn < 20; turn += 1) {
    const pending = balancer.pick(unary);
    if (pending?.endpoint === endpoint) return pending;
    pending?.end("success");
  }
  return undefined;
}

for (const count of [2, 3, 10, 100]) {
  test(`of ${count}, one that fails every call is out after a few`, () => {
    const { first, call, failing } = worldOf(count);
    const early = call(20 * count, failing(first)).get(first) ?? 0;
    assert.ok(early >= 5 && early <= 10, `${early} calls`);
    assert.equal(call(10 * count, failing(first)).get(first), undefined);
  });
}

test("of one, none is ever out", () => {
  const { first, call } = worldOf(1);
  call(500, () => "failure");
  assert.equal(call(10, () => "failure").get(first), 10);
});

test("one that fails every other call is out, though it never fails twice in a row", () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const random = randomFrom(seed);
    const { first, call, well } = worldOf(5, {}, seed);
    let turn = 0;
    call(500, (endpoint) => {
      if (endpoint !== first) return random() < 0.05 ? "failure" : "success";
      turn += 1;
      return turn % 2 === 0 ? "failure" : "success";
    });
    const after = call(500, well);
    assert.equal(after.get(first), undefined, `seed ${seed}`);
    assert.equal(after.size, 4, `seed ${seed}`);
  }
});

test("nobody is judged where there is nobody to compare with", () => {
  const { balancer, all, clock } = worldOf(3, { policy: "consistent_hash" });
  let owner: Endpoint | undefined;
  for (let turn = 0; turn < 200; turn += 1) {
    clock.now += 1;
    const pending = balancer.pick({ streaming: false, hashKey: "the only key" });
    owner ??= pending?.endpoint;
    assert.equal(pending?.endpoint, owner);
    pending?.end("failure");
  }
  assert.ok(owner !== undefined && all.includes(owner));
});

for (const share of [0.05, 0.3, 0.5, 0.8, 1]) {
  test(`none is out when ${share * 100} % of the calls fail wherever they go, from one moment on`, () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      for (const policy of ["round_robin", "p2c_ewma"] as const) {
        // From very many calls in the window to hardly enough to judge by.
        for (const paceMs of [1, 40]) {
          const random = randomFrom(seed);
          const { all, balancer, call, clock, well } = worldOf(10, { policy }, seed);
          call(2_000, well, paceMs);
          call(5_000, () => (random() < share ? "failure" : "success"), paceMs);
          clock.now += 1;
          const held = Array.from({ length: 400 }, () => balancer.pick(unary));
          const what = `seed ${seed}, ${policy}, ${paceMs} ms`;
          assert.deepEqual(new Set(held.map((pending) => pending?.endpoint)), new Set(all), what);
        }
      }
    }
  });
}

test("at most half are out, though all but one fail", () => {
  for (const count of [2, 3, 7, 10]) {
    const { all, call } = worldOf(count);
    const bad = new Set(all.slice(0, Math.floor(count / 2)));
    call(100 * count, (endpoint) => (bad.has(endpoint) ? "failure" : "success"));
    const after = call(10 * count, () => "success");
    assert.equal(after.size, count - bad.size, `of ${count}`);
    // Then one more fails.
    const next = all[bad.size];
    call(100 * count, (endpoint) => (endpoint === next ? "failure" : "success"));
    assert.equal(call(10 * count, () => "success").size >= Math.ceil(count / 2), true, `of ${count}`);
  }
});

test("neutral outcomes eject nobody, and break no streak", () => {
  const { first, call, well } = worldOf(3);
  call(300, () => "neutral");
  assert.equal(call(30, well).get(first), 10);
  let turn = 0;
  call(60, (endpoint) => {
    turn += 1;
    return endpoint !== first ? "success" : turn % 2 === 0 ? "neutral" : "failure";
  });
  assert.equal(call(30, well).get(first), undefined);
});

test("with ejection off, nobody is out", () => {
  const { first, call, failing } = worldOf(3, { ejection: false });
  assert.equal(call(300, failing(first)).get(first), 100);
});

test("comes back after as many successful probes as asked for, one at a time", () => {
  const { balancer, clock, first, call, failing, well } = worldOf(4);
  call(100, failing(first));
  clock.now += firstMs;
  for (let probe = 0; probe < 3; probe += 1) {
    const pending = balancer.pick(unary);
    assert.equal(pending?.endpoint, first);
    for (const other of Array.from({ length: 20 }, () => balancer.pick(unary))) {
      assert.notEqual(other?.endpoint, first, `beside probe ${probe}`);
      other?.end("success");
    }
    pending.end("success");
  }
  assert.equal(call(40, well).get(first), 10);
});

test("of several that are out each has a probe of its own, and only one", () => {
  const { balancer, clock, all, call } = worldOf(6);
  const bad = all.slice(0, 2);
  call(300, (endpoint) => (bad.includes(endpoint) ? "failure" : "success"));
  clock.now += firstMs;
  const probes = [balancer.pick(unary), balancer.pick(unary)];
  assert.deepEqual(new Set(probes.map((probe) => probe?.endpoint)), new Set(bad));
  for (let turn = 0; turn < 20; turn += 1) assert.ok(!bad.includes(balancer.pick(unary)?.endpoint as Endpoint));
});

test("who is back is judged by what it does then", () => {
  const { clock, first, call, well } = worldOf(4);
  let turn = 0;
  call(400, (endpoint) => {
    if (endpoint === first) turn += 1;
    return endpoint === first && turn % 2 === 0 ? "failure" : "success";
  });
  assert.equal(call(40, well).get(first), undefined);
  clock.now += firstMs;
  call(3, well);
  let failures = 0;
  call(40, (endpoint) => {
    if (endpoint !== first || failures > 0) return "success";
    failures += 1;
    return "failure";
  });
  assert.equal(failures, 1);
  assert.equal(call(40, well).get(first), 10);
});

test("a probe that fails sends it out for twice as long, up to a limit", () => {
  const { balancer, clock, first, call, failing } = worldOf(4);
  call(100, failing(first));
  clock.now += firstMs;
  for (const lastsMs of [10_000, 20_000, 40_000, 40_000]) {
    const probe = balancer.pick(unary);
    assert.equal(probe?.endpoint, first);
    probe.end("failure");
    clock.now += lastsMs - 1;
    assert.equal(pickFor(balancer, first), undefined, `before ${lastsMs} ms`);
    clock.now += lastsMs * 0.2 + 2;
  }
  assert.equal(balancer.pick(unary)?.endpoint, first);
});

test("one success between failures is not enough", () => {
  const { balancer, clock, first, call, failing } = worldOf(4);
  call(100, failing(first));
  clock.now += firstMs;
  balancer.pick(unary)?.end("success");
  balancer.pick(unary)?.end("success");
  balancer.pick(unary)?.end("failure");
  assert.equal(pickFor(balancer, first), undefined);
});

test("a probe that is neutral or was never sent leaves things as they are", () => {
  const { balancer, clock, first, call, failing, well } = worldOf(4);
  call(100, failing(first));
  clock.now += firstMs;
  for (const end of ["neutral", "success", "abandon", "success", "neutral", "success"] as const) {
    const probe = balancer.pick(unary);
    assert.equal(probe?.endpoint, first, end);
    if (end === "abandon") probe.abandon();
    else probe.end(end);
  }
  assert.equal(call(40, well).get(first), 10);
});

test("a probe that hangs has failed, and what becomes of it later changes nothing", () => {
  const { balancer, clock, first, call, failing } = worldOf(4);
  call(100, failing(first));
  clock.now += firstMs;
  const hanging = balancer.pick(unary);
  assert.equal(hanging?.endpoint, first);
  clock.now += 2_000;
  assert.equal(pickFor(balancer, first), undefined);
  clock.now += 12_001;
  const second = balancer.pick(unary);
  assert.equal(second?.endpoint, first);
  hanging.end("failure");
  second.end("success");
  assert.equal(balancer.pick(unary)?.endpoint, first);
});

test("a stream that lasts is a probe that succeeded", () => {
  const { balancer, clock, first, call, failing, well } = worldOf(4);
  call(100, failing(first));
  clock.now += firstMs;
  for (let probe = 0; probe < 3; probe += 1) {
    assert.equal(balancer.pick(stream)?.endpoint, first);
    clock.now += 2_000;
  }
  assert.equal(call(40, well).get(first), 10);
});

test("calls that an ejected endpoint had before neither help nor harm it", () => {
  const { balancer, clock, first, call, failing } = worldOf(4);
  const before = Array.from({ length: 10 }, () => pickFor(balancer, first));
  call(200, failing(first));
  clock.now += firstMs;
  const probe = balancer.pick(unary);
  assert.equal(probe?.endpoint, first);
  for (const [index, pending] of before.entries()) pending?.end(index % 2 === 0 ? "success" : "failure");
  assert.notEqual(balancer.pick(unary)?.endpoint, first);
  probe.end("success");
  assert.equal(balancer.pick(unary)?.endpoint, first);
});

test("an endpoint without room is not probed", () => {
  const { balancer, clock, first, call, failing } = worldOf(4);
  call(100, failing(first));
  clock.now += firstMs;
  first.hasRoom = () => false;
  assert.equal(pickFor(balancer, first), undefined);
  first.hasRoom = () => true;
  assert.equal(balancer.pick(unary)?.endpoint, first);
});

test("who is back starts slowly", () => {
  const change = { policy: "weighted_round_robin", slowStartMs: 10_000 } as const;
  const { clock, first, call, failing, well } = worldOf(4, change);
  call(100, failing(first));
  clock.now += firstMs;
  call(3, well);
  const soon = call(400, well).get(first) ?? 0;
  assert.ok(soon > 0 && soon < 30, `${soon} of 400`);
  clock.now += 10_000;
  assert.ok(Math.abs((call(400, well).get(first) ?? 0) - 100) <= 1);
});

test("after a long good time the first ejection is short again", () => {
  const { balancer, clock, first, call, failing, well } = worldOf(4);
  for (let time = 0; time < 3; time += 1) {
    call(100, failing(first));
    assert.equal(pickFor(balancer, first), undefined);
    clock.now += firstMs;
    const probe = balancer.pick(unary);
    assert.equal(probe?.endpoint, first, `time ${time}`);
    probe.end("success");
    call(2, well);
    clock.now += ejection.maxMs;
  }
});

test("who goes and comes back is still out; when only ejected ones are left, half of them come in", () => {
  const { balancer, all, call } = worldOf(8);
  const bad = all.slice(0, 4);
  call(800, (endpoint) => (bad.includes(endpoint) ? "failure" : "success"));
  balancer.update(all.slice(4));
  balancer.update(all);
  const after = call(40, () => "success");
  assert.deepEqual(new Set(after.keys()), new Set(all.slice(4)));
  balancer.update(bad);
  assert.equal(call(40, () => "neutral").size, 2);
  balancer.update(bad.slice(0, 1));
  assert.equal(call(4, () => "neutral").size, 1);
});

test("whatever happens, someone is chosen, and no more than half are out", () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = randomFrom(seed);
    const { balancer, clock } = balancerOf({ ...options, policy: random() < 0.5 ? "round_robin" : "p2c_ewma" }, seed);
    const all = endpoints(1 + Math.floor(random() * 12));
    const health = new Map(all.map((one) => [one, random()]));
    let ready = all;
    balancer.update(ready, all);
    const going: PendingCall[] = [];
    for (let turn = 0; turn < 2_000; turn += 1) {
      const what = `seed ${seed}, turn ${turn}`;
      clock.now += random() < 0.01 ? 10_000 * random() : 20 * random();
      if (random() < 0.01) {
        ready = all.filter(() => random() < 0.7);
        balancer.update(ready, all);
      }
      if (random() < 0.02) for (const one of all) health.set(one, random() < 0.5 ? 1 : random());
      const pending = balancer.pick(random() < 0.1 ? stream : unary);
      assert.equal(pending === undefined, ready.length === 0, what);
      if (pending !== undefined) {
        assert.ok(ready.includes(pending.endpoint), what);
        going.push(pending);
      }
      while (going.length > 0 && random() < 0.7) {
        const [ended] = going.splice(Math.floor(random() * going.length), 1);
        const fate = random();
        if (fate < 0.1) ended?.abandon();
        else if (fate < 0.2) ended?.end("neutral");
        else if (ended) ended.end(random() < (health.get(ended.endpoint) ?? 0) ? "success" : "failure");
      }
    }
    for (const pending of going) pending.end("success");
    assert.ok(
      all.every(({ inFlight }) => inFlight === 0),
      `seed ${seed}`,
    );
    if (ready.length === 0) continue;
    // Held calls, so that probes do not bring anybody back.
    const chosen = new Set(Array.from({ length: 400 }, () => balancer.pick(unary)?.endpoint));
    assert.ok(chosen.size >= Math.ceil(ready.length / 2), `seed ${seed}: ${chosen.size} of ${ready.length}`);
  }
});
