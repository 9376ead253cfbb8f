import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import type { Lease } from "./lease.ts";
import { Pool } from "./pool.ts";

const runs = 200;
const stepsOfRun = 300;

interface RandomMember {
  readonly number: number;
  limit: number;
  users: number;
  closes: number;
}

/** One pool, and callers, members and time that do what comes to their minds. */
async function runRandomly(seed: number): Promise<void> {
  const random = randomFrom(seed);
  const below = (n: number) => Math.floor(random() * n);
  const chance = (share: number) => random() < share;
  const clock = new VirtualClock();
  const max = 1 + below(6);
  const concurrency = chance(0.5) ? 1 : 1 + below(4);
  const changing = concurrency > 1 && chance(0.5);
  const members: RandomMember[] = [];
  const held = new Set<Lease<RandomMember>>();
  const delays: (() => void)[] = [];
  let asked = 0;
  let answered = 0;
  /** The turns of those who were served, as they came. */
  const served: number[] = [];

  const after = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
  const openMembers = () => members.filter(({ closes }) => closes === 0);
  const pool = new Pool<RandomMember>({
    open: async (signal) => {
      if (chance(0.3)) await after(below(2_000));
      if (chance(0.2)) throw new Error("refused");
      const member = { number: members.length, limit: concurrency, users: 0, closes: 0 };
      // One that comes too late is closed at once and not the pool's any more.
      if (!signal.aborted) members.push(member);
      return member;
    },
    close: async (member) => {
      member.closes += 1;
      if (chance(0.2)) await after(below(100));
    },
    check: async () => {
      if (chance(0.3)) await after(below(2_000));
      if (chance(0.1)) throw new Error("lost");
      return chance(0.8);
    },
    concurrency: changing ? ({ limit }) => limit : concurrency,
    min: below(max + 1),
    max,
    growAt: 0.1 + 0.9 * random(),
    idleMs: 1 + below(3_000),
    maxAgeMs: 1 + below(20_000),
    checkAfterMs: 1 + below(2_000),
    openTimeoutMs: 1_000,
    acquireTimeoutMs: 1 + below(5_000),
    leakAfterMs: 1 + below(2_000),
    maxWaiters: below(20),
    random,
    clock,
    timers: clock,
    onEvent: (event) => {
      if (event.type === "acquired" && event.borrower !== undefined) served.push(Number(event.borrower));
    },
  });

  const take = (lease: Lease<RandomMember>) => {
    lease.member.users += 1;
    assert.equal(held.has(lease), false);
    held.add(lease);
  };
  const give = (lease: Lease<RandomMember>) => {
    held.delete(lease);
    lease.member.users -= 1;
    if (chance(0.1)) lease.discard("broken");
    else lease.release();
    if (chance(0.1)) lease.release();
  };
  const some = <T>(items: readonly T[]): T | undefined => items[below(items.length)];

  const actions: (() => void)[] = [
    () => {
      const controller = new AbortController();
      const deadline = chance(0.3) ? clock.now() + below(2_000) : undefined;
      const borrower = String(asked);
      asked += 1;
      if (chance(0.2)) delays.push(() => controller.abort(new Error("gave up")));
      pool
        .acquire({ signal: controller.signal, deadline, borrower })
        .then(take, () => {})
        .finally(() => {
          answered += 1;
        });
    },
    () => {
      const lease = pool.tryAcquire();
      if (lease !== undefined) take(lease);
    },
    () => {
      const lease = some([...held]);
      if (lease !== undefined) give(lease);
    },
    () => {
      const member = some(openMembers());
      if (member !== undefined && chance(0.1)) pool.remove(member, "lost");
    },
    () => {
      const member = some(members);
      if (!changing || member === undefined) return;
      member.limit = below(concurrency + 1);
      pool.limitChanged(member);
    },
    () => delays.shift()?.(),
  ];

  for (let step = 0; step < stepsOfRun; step += 1) {
    for (let n = below(4); n >= 0; n -= 1) some(actions)?.();
    if (chance(0.5)) await clock.advance(chance(0.1) ? below(5_000) : below(200));
    const { open, opening, inUse, waiting, idle, capacity } = pool.stats;
    assert.ok(open + opening <= max, `${open} open and ${opening} being opened of ${max}`);
    assert.ok(openMembers().length <= max, `${openMembers().length} members of ${max}`);
    for (const { users, number } of members) assert.ok(users <= concurrency, `${users} users of member ${number}`);
    assert.ok(idle <= open && inUse >= held.size && capacity <= open * concurrency && waiting <= asked - answered);
    for (const { closes } of members) assert.ok(closes <= 1, "closed twice");
  }

  assert.deepEqual(
    served,
    served.toSorted((one, other) => one - other),
    "a caller was overtaken",
  );

  // Whoever waits is served, or refused, once the others are done.
  const wanted = () => asked - answered;
  for (let n = 0; n < 20 && wanted() > 0; n += 1) {
    for (const lease of [...held]) give(lease);
    await clock.advance(1_000);
  }
  assert.equal(wanted(), 0, "a caller was neither served nor refused");
  for (const lease of [...held].slice(1)) give(lease);
  const draining = pool.drain(1_000);
  await clock.advance(10_000);
  assert.equal(await draining, held.size);
  assert.deepEqual(openMembers(), [], "not closed after the drain");
  for (const lease of [...held]) give(lease);
  const { waiting, inUse, open, opening } = pool.stats;
  assert.deepEqual({ waiting, inUse, open, opening }, { waiting: 0, inUse: 0, open: 0, opening: 0 });
  assert.equal(clock.pending, 0, "timers are left");
}

test(`holds its promises in ${runs} random runs`, async () => {
  const given = process.env["SHOAL_TEST_SEED"];
  const first = given === undefined ? 1 : Number(given);
  for (let seed = first; seed < first + (given === undefined ? runs : 1); seed += 1) {
    try {
      await runRandomly(seed);
    } catch (error) {
      throw new Error(`run it again with SHOAL_TEST_SEED=${seed}`, { cause: error });
    }
  }
});
