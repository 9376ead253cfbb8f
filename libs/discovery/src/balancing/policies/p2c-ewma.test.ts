import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "../endpoint.ts";
import type { PendingCall } from "../pending-call.ts";
import { balancerOf, endpoint, endpoints, stream, unary } from "../testing.ts";

const options = { policy: "p2c_ewma", ejection: false } as const;

/** One call after the other, each of which takes and says what `answer` tells; how many go to whom. */
function callInTurn(
  { balancer, clock }: ReturnType<typeof balancerOf>,
  calls: number,
  answer: (endpoint: Endpoint) => { tookMs: number; outcome: "success" | "failure" },
): Map<Endpoint, number> {
  const counts = new Map<Endpoint, number>();
  for (let call = 0; call < calls; call += 1) {
    const pending = balancer.pick(unary);
    assert.ok(pending);
    const { tookMs, outcome } = answer(pending.endpoint);
    clock.now += tookMs;
    pending.end(outcome);
    counts.set(pending.endpoint, (counts.get(pending.endpoint) ?? 0) + 1);
  }
  return counts;
}

test("who is slow has few calls, and is tried again after a while", () => {
  const world = balancerOf({ ...options, decayMs: 10_000 });
  const all = endpoints(5);
  world.balancer.update(all);
  const [slow] = all;
  assert.ok(slow);
  const counts = callInTurn(world, 5_000, (one) => ({ tookMs: one === slow ? 100 : 10, outcome: "success" }));
  const few = counts.get(slow) ?? 0;
  assert.ok(few >= 1 && few < 100, `${few} of 5,000`);
  const after = callInTurn(world, 20_000, () => ({ tookMs: 10, outcome: "success" }));
  assert.ok((after.get(slow) ?? 0) > 2_000, `${after.get(slow)} of 20,000 when it is well again`);
});

test("who fails fast does not attract calls, and is tried again after a while", () => {
  const world = balancerOf({ ...options, decayMs: 10_000 });
  const all = endpoints(5);
  world.balancer.update(all);
  const [failing] = all;
  assert.ok(failing);
  const counts = callInTurn(world, 5_000, (one) =>
    one === failing ? { tookMs: 0.1, outcome: "failure" } : { tookMs: 10, outcome: "success" },
  );
  const few = counts.get(failing) ?? 0;
  assert.ok(few >= 1 && few < 100, `${few} of 5,000`);
  const after = callInTurn(world, 20_000, () => ({ tookMs: 10, outcome: "success" }));
  assert.ok((after.get(failing) ?? 0) > 2_000, `${after.get(failing)} of 20,000 when it is well again`);
});

test("who stops answering is known to be slow before any of its calls has ended", () => {
  const { balancer, clock } = balancerOf(options);
  const all = endpoints(10);
  balancer.update(all);
  let toHanging = 0;
  for (let call = 0; call < 2_000; call += 1) {
    clock.now += 5;
    const pending = balancer.pick(unary);
    if (pending?.endpoint === all[0]) toHanging += 1;
    else {
      clock.now += 5;
      pending?.end("success");
    }
  }
  assert.ok(toHanging <= 4, `${toHanging} calls went to it`);
});

test("one call that goes on for long weighs more than many that have just begun", () => {
  const { balancer, clock } = balancerOf(options);
  const all = endpoints(2);
  const [stuck, busy] = all;
  assert.ok(stuck && busy);
  balancer.update(all);
  callInTurn({ balancer, clock }, 100, () => ({ tookMs: 10, outcome: "success" }));
  stuck.hasRoom = () => true;
  busy.hasRoom = () => false;
  balancer.pick(unary);
  clock.now += 200;
  busy.hasRoom = () => true;
  for (let call = 0; call < 10; call += 1) assert.equal(balancer.pick(unary)?.endpoint, busy, `call ${call}`);
});

test("who is slow has no call though the others have many in flight, and a share of them who is a little slower", () => {
  for (const [tookMs, least, most] of [
    [100, 0, 1],
    [15, 10, 20],
  ] as const) {
    const { balancer, clock } = balancerOf(options);
    const all = endpoints(2);
    const [slower, other] = all;
    assert.ok(slower && other);
    balancer.update(all);
    for (const one of [slower, ...Array.from({ length: 20 }, () => other)]) {
      slower.hasRoom = () => one === slower;
      other.hasRoom = () => one === other;
      const pending = balancer.pick(unary);
      clock.now += one === slower ? tookMs : 10;
      pending?.end("success");
    }
    slower.hasRoom = () => true;
    for (let call = 0; call < 40; call += 1) balancer.pick(unary);
    const { inFlight } = slower;
    assert.ok(inFlight >= least && inFlight <= most, `${inFlight} of 40 where calls take ${tookMs} ms instead of 10`);
  }
});

test("who fails is not better for calls that say nothing between", () => {
  const { balancer, clock } = balancerOf(options);
  const all = endpoints(5);
  balancer.update(all);
  let toFailing = 0;
  for (let call = 0; call < 5_000; call += 1) {
    const pending = balancer.pick(unary);
    clock.now += 10;
    assert.ok(pending);
    if (pending.endpoint !== all[0]) pending.end("success");
    else {
      toFailing += 1;
      pending.end(toFailing % 4 === 0 ? "failure" : "neutral");
    }
  }
  assert.ok(toFailing < 150, `${toFailing} of 5,000`);
});

test("an endpoint that nothing is known of is taken to be like the others, not fast", () => {
  const world = balancerOf({ ...options, slowStartMs: 0 });
  const old = endpoints(4);
  world.balancer.update(old);
  callInTurn(world, 400, () => ({ tookMs: 50, outcome: "success" }));
  const young = endpoint("young");
  world.balancer.update([...old, young]);
  const calls: (PendingCall | undefined)[] = Array.from({ length: 50 }, () => world.balancer.pick(unary));
  const share = calls.filter((call) => call?.endpoint === young).length;
  assert.ok(share >= 5 && share <= 15, `${share} of 50`);
});

test("an endpoint that has just begun has few calls", () => {
  const { balancer, clock } = balancerOf({ ...options, slowStartMs: 10_000 });
  const old = endpoints(4);
  balancer.update(old);
  const young = endpoint("young", { startedAt: clock.now });
  balancer.update([...old, young]);
  for (let call = 0; call < 200; call += 1) balancer.pick(unary);
  assert.ok(young.inFlight >= 2 && young.inFlight <= 8, `${young.inFlight} of 200 at once`);
  clock.now += 10_000;
  for (let call = 0; call < 200; call += 1) balancer.pick(unary);
  assert.ok(young.inFlight > 60, `${young.inFlight} of 400 later`);
});

test("how long streams take says nothing, but they are in flight", () => {
  const { balancer, clock } = balancerOf(options);
  const [a, b] = endpoints(2);
  assert.ok(a && b);
  balancer.update([a, b]);
  const long = balancer.pick(stream);
  clock.now += 60_000;
  // Of the same latency, the one without a stream has room for one call more, and no more.
  const next = [balancer.pick(unary), balancer.pick(unary)];
  assert.notEqual(next[0]?.endpoint, long?.endpoint);
  for (const call of next) call?.end("success");
  long?.end("success");
  const counts = callInTurn({ balancer, clock }, 1_000, () => ({ tookMs: 10, outcome: "success" }));
  assert.ok((counts.get(a) ?? 0) > 300 && (counts.get(b) ?? 0) > 300, `${counts.get(a)} and ${counts.get(b)}`);
});

test("a call's latency counts from when it is really sent", () => {
  const world = balancerOf(options);
  const all = endpoints(2);
  const [waited] = all;
  world.balancer.update(all);
  for (let call = 0; call < 100; call += 1) {
    const pending = world.balancer.pick(unary);
    if (pending?.endpoint === waited) world.clock.now += 500;
    pending?.started();
    world.clock.now += 10;
    pending?.end("success");
  }
  const counts = callInTurn(world, 1_000, () => ({ tookMs: 10, outcome: "success" }));
  for (const one of all) assert.ok((counts.get(one) ?? 0) > 300, `${one.address} has ${counts.get(one)}`);
});

test("a call that its caller cancelled late was slow, and one cancelled early says nothing", () => {
  const world = balancerOf(options);
  const all = endpoints(2);
  const [hanging, well] = all;
  assert.ok(hanging && well);
  world.balancer.update(all);
  callInTurn(world, 100, () => ({ tookMs: 10, outcome: "success" }));
  let toHanging = 0;
  for (let call = 0; call < 400; call += 1) {
    const pending = world.balancer.pick(unary);
    if (pending?.endpoint !== hanging) {
      world.clock.now += 10;
      pending?.end("success");
      continue;
    }
    toHanging += 1;
    world.clock.now += 200;
    pending.end("neutral");
  }
  assert.ok(toHanging < 20, `${toHanging} of 400 go where calls are cancelled late`);
  const fresh = balancerOf(options);
  const others = endpoints(2);
  fresh.balancer.update(others);
  callInTurn(fresh, 100, () => ({ tookMs: 10, outcome: "success" }));
  for (let call = 0; call < 100; call += 1) fresh.balancer.pick(unary)?.end("neutral");
  const counts = callInTurn(fresh, 1_000, () => ({ tookMs: 10, outcome: "success" }));
  for (const one of others) assert.ok((counts.get(one) ?? 0) > 300, `${one.address} has ${counts.get(one)}`);
});

test("where a tenth is slow, hardly a call goes there for want of a better one of two", () => {
  const world = balancerOf(options);
  const all = endpoints(100);
  const slow = new Set(all.slice(0, 10));
  world.balancer.update(all);
  const answer = (one: Endpoint) => ({ tookMs: slow.has(one) ? 20 : 1, outcome: "success" }) as const;
  callInTurn(world, 2_000, answer);
  const counts = callInTurn(world, 5_000, answer);
  const toSlow = [...slow].reduce((sum, one) => sum + (counts.get(one) ?? 0), 0);
  // Two of two drawn are slow in 45 of 5,000 draws.
  assert.ok(toSlow < 20, `${toSlow} of 5,000`);
});
