import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { isAppError } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import { Pool } from "./pool.ts";
import { testedPool } from "./tested-pool.ts";

const reason = (name: string, kind: string) => (error: unknown) => isAppError(error, name) && error.kind === kind;

test("a lease is there at once where a member is free, else a member is on its way", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { max: 2 });
  assert.equal(pool.tryAcquire(), undefined);
  assert.equal(pool.stats.opening, 1);
  assert.equal(pool.tryAcquire(), undefined);
  assert.equal(pool.stats.opening, 1, "one is on its way already");
  await clock.advance(0);
  const lease = pool.tryAcquire();
  assert.equal(lease?.member.number, 1);
  assert.deepEqual(pool.stats, { open: 1, opening: 1, idle: 0, inUse: 1, waiting: 0, capacity: 1 });
});

test("callers that wait are served in order as leases return, and no one overtakes them", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { max: 1 });
  const first = await pool.acquire();
  const order: number[] = [];
  const waiting = [1, 2, 3].map(async (n) => {
    const lease = await pool.acquire();
    order.push(n);
    return lease;
  });
  assert.equal(pool.stats.waiting, 3);
  first.release();
  assert.equal(pool.tryAcquire(), undefined);
  for (const lease of waiting) (await lease).release();
  assert.deepEqual(order, [1, 2, 3]);
  assert.deepEqual(pool.stats, { open: 1, opening: 0, idle: 1, inUse: 0, waiting: 0, capacity: 1 });
});

test("a second return of a lease does nothing", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { max: 1 });
  const lease = await pool.acquire();
  lease.release();
  const other = await pool.acquire();
  lease.release();
  lease.discard("again");
  lease[Symbol.dispose]();
  assert.equal(pool.stats.inUse, 1);
  assert.equal(pool.tryAcquire(), undefined);
  other.release();
});

test("use gives the member back when the work fails as well", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock);
  assert.equal(await pool.use(({ number }) => number), 1);
  await assert.rejects(
    pool.use(() => {
      throw new Error("broken work");
    }),
    /broken work/,
  );
  assert.equal(pool.stats.inUse, 0);
});

test("opens as many as wait, at once, and never more than the most", async () => {
  const clock = new VirtualClock();
  const { pool, members } = testedPool(clock, { max: 5 });
  const leases = [1, 2, 3].map(() => pool.acquire());
  assert.equal(pool.stats.opening, 3);
  await Promise.all(leases);
  const more = Array.from({ length: 10 }, () => pool.acquire());
  await clock.advance(0);
  assert.equal(members.length, 5);
  assert.equal(pool.stats.waiting, 8);
  for (const lease of [...leases, ...more]) (await lease).release();
});

test("opens for many users what each member serves, and one to find out where nobody knows", async () => {
  const clock = new VirtualClock();
  const known = testedPool(clock, { max: 10, concurrency: 4 });
  const told = testedPool(clock, { max: 10, concurrency: () => 4 });
  for (let n = 0; n < 10; n += 1) {
    void known.pool.acquire();
    void told.pool.acquire();
  }
  assert.equal(known.pool.stats.opening, 3);
  assert.equal(told.pool.stats.opening, 1);
  await clock.advance(0);
  assert.deepEqual([known.pool.stats.open, known.pool.stats.inUse], [3, 10]);
  assert.deepEqual([told.pool.stats.open, told.pool.stats.inUse], [3, 10]);
});

test("opens one more ahead of need once so much of what is open is in use", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { max: 3, concurrency: 10, growAt: 0.8 });
  await pool.acquire();
  for (let n = 2; n < 8; n += 1) pool.tryAcquire();
  await clock.advance(0);
  assert.equal(pool.stats.open, 1);
  pool.tryAcquire();
  await clock.advance(0);
  assert.deepEqual([pool.stats.open, pool.stats.inUse], [2, 8]);
});

test("fills few members up to the share, then all evenly, so that the rest can be closed", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { min: 3, max: 3, concurrency: 10, growAt: 0.5 });
  await clock.advance(0);
  const lent = Array.from({ length: 20 }, () => pool.tryAcquire()?.member.number ?? 0);
  const users = (leases: number[]) => [1, 2, 3].map((n) => leases.filter((number) => number === n).length).sort();
  assert.deepEqual(users(lent.slice(0, 5)), [0, 0, 5]);
  assert.deepEqual(users(lent.slice(0, 7)), [0, 2, 5]);
  assert.deepEqual(users(lent), [6, 7, 7]);
});

test("of members with one user each the one used last is lent", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { min: 3, max: 3 });
  await clock.advance(0);
  const leases = [1, 2, 3].map(() => pool.tryAcquire());
  for (const n of [1, 0, 2]) leases[n]?.release();
  assert.equal(pool.tryAcquire()?.member, leases[2]?.member);
  assert.equal(pool.tryAcquire()?.member, leases[0]?.member);
});

test("asks a member for its limit before each lending, and serves those who wait when it grows", async () => {
  const clock = new VirtualClock();
  let limit = 1;
  const { pool, members } = testedPool(clock, { max: 1, concurrency: () => limit });
  const first = await pool.acquire();
  const second = pool.acquire();
  limit = 2;
  pool.limitChanged(members[0] as never);
  const third = pool.acquire();
  assert.equal((await second).member, first.member);
  limit = 1;
  first.release();
  assert.equal(pool.stats.waiting, 1, "it serves no more than one now, and has one");
  (await second).release();
  (await third).release();
  limit = 0;
  assert.equal(pool.tryAcquire(), undefined);
});

test("a member whose limit has shrunk is lent no more, and when it grows unsaid nobody is overtaken", async () => {
  const clock = new VirtualClock();
  let limit = 3;
  const { pool } = testedPool(clock, { max: 1, concurrency: () => limit });
  await pool.acquire();
  const second = pool.tryAcquire();
  limit = 2;
  assert.equal(pool.tryAcquire(), undefined);
  const waiting = pool.acquire();
  limit = 3;
  assert.equal(pool.tryAcquire(), undefined, "another waits");
  second?.release();
  assert.equal((await waiting).member, second?.member);
});

test("a full queue refuses at once, and tells who holds what there is", async () => {
  const clock = new VirtualClock();
  const { pool, events } = testedPool(clock, { name: "order database", max: 1, maxWaiters: 1 });
  await pool.acquire({ borrower: "PlaceOrder 7" });
  void pool.acquire().catch(() => {});
  await clock.advance(1_500);
  await assert.rejects(pool.acquire({ borrower: "GetOrder 8" }), (error) => {
    assert.ok(isAppError(error, "POOL_QUEUE_FULL"));
    assert.equal(error.kind, "exhausted");
    assert.ok((error.retryAfterMs ?? 0) > 0);
    assert.match(error.message, /order database: 1 in use, 1 waiting, held longest by PlaceOrder 7 for 1500 ms/);
    return true;
  });
  assert.deepEqual(events("refused"), [{ type: "refused", reason: "queue-full", waitMs: 0, borrower: "GetOrder 8" }]);
});

test("with no queue at all those are served for whom a member can be opened", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { max: 2, maxWaiters: 0 });
  const leases = [pool.acquire(), pool.acquire()];
  await assert.rejects(pool.acquire(), reason("POOL_QUEUE_FULL", "exhausted"));
  await Promise.all(leases);
});

test("a caller without deadline waits for the pool's own time, and learns for how long and why in vain", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { max: 1, acquireTimeoutMs: 2_000 });
  await pool.acquire({ borrower: "a report" });
  const waiting = assert.rejects(pool.acquire(), (error) => {
    assert.ok(isAppError(error, "POOL_ACQUIRE_TIMEOUT"));
    assert.equal(error.kind, "exhausted");
    assert.match(error.message, /in 2000 ms: 1 in use, 0 waiting, held longest by a report for 2000 ms/);
    return true;
  });
  await clock.advance(1_999);
  assert.equal(pool.stats.waiting, 1);
  await clock.advance(1);
  await waiting;
  assert.equal(pool.stats.waiting, 0);
});

test("a caller's deadline shortens the wait and never lengthens it; one that has passed does not begin it", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { max: 1, acquireTimeoutMs: 2_000 });
  const free = testedPool(clock, { min: 1 }).pool;
  await clock.advance(0);
  await assert.rejects(free.acquire({ deadline: clock.now() }), reason("DEADLINE_EXCEEDED", "timeout"));
  await pool.acquire();
  const soon = assert.rejects(pool.acquire({ deadline: clock.now() + 500 }), reason("DEADLINE_EXCEEDED", "timeout"));
  const far = assert.rejects(
    pool.acquire({ deadline: clock.now() + 60_000 }),
    reason("POOL_ACQUIRE_TIMEOUT", "exhausted"),
  );
  await clock.advance(500);
  await soon;
  assert.equal(pool.stats.waiting, 1);
  await clock.advance(1_500);
  await far;
});

test("a caller whose signal aborts leaves the queue with the signal's reason, and loses no turn of others", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { max: 1 });
  const lease = await pool.acquire();
  const controller = new AbortController();
  const leaving = pool.acquire({ signal: controller.signal });
  const next = pool.acquire();
  controller.abort(new Error("gave up"));
  await assert.rejects(leaving, /gave up/);
  await assert.rejects(pool.acquire({ signal: controller.signal }), /gave up/);
  lease.release();
  (await next).release();
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("100,000 aborted acquires leave no timer, no listener and no waiter", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { max: 1, maxWaiters: 100_000 });
  const lease = await pool.acquire();
  const timersBefore = clock.pending;
  // Half of them have a deadline as well; all have a signal of their own, as calls have.
  const controllers = Array.from({ length: 100_000 }, () => new AbortController());
  let refused = 0;
  const acquires = controllers.map(({ signal }, n) =>
    pool.acquire({ signal, deadline: n % 2 === 0 ? clock.now() + 1_000 : undefined }).catch(() => {
      refused += 1;
    }),
  );
  assert.equal(pool.stats.waiting, 100_000);
  for (const controller of controllers) controller.abort();
  await Promise.all(acquires);
  assert.equal(refused, 100_000);
  assert.equal(pool.stats.waiting, 0);
  assert.equal(clock.pending, timersBefore);
  assert.ok(controllers.every(({ signal }) => getEventListeners(signal, "abort").length === 0));
  lease.release();
  assert.equal(pool.tryAcquire()?.member, lease.member);
});

test("options out of range are refused by name", () => {
  const parts = { open: async () => ({}), close: () => {} };
  assert.throws(() => new Pool({ ...parts, max: 0 }), /max must be a whole number from 1 to 10000, not 0/);
  assert.throws(() => new Pool({ ...parts, min: 11 }), /min must be a whole number from 0 to 10, not 11/);
  assert.throws(() => new Pool({ ...parts, growAt: 0 }), /growAt must be a number above 0 to 1, not 0/);
  assert.throws(() => new Pool({ ...parts, idleMs: 0 }), /idleMs must be a whole number from 1, not 0/);
  assert.throws(() => new Pool({ ...parts, concurrency: 0 }), /concurrency must be/);
});
