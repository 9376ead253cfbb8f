import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import { AttemptTimeoutError } from "./attempt.ts";
import { type TestedMember, testedPool } from "./tested-pool.ts";

const never = () => new Promise<never>(() => {});

test("opens the least number at once, and again when a member breaks", async () => {
  const clock = new VirtualClock();
  const { pool, open, events } = testedPool(clock, { min: 2, max: 3 });
  await clock.advance(0);
  assert.deepEqual(open(), [1, 2]);
  const lease = pool.tryAcquire();
  lease?.discard("reset by peer");
  await clock.advance(0);
  assert.deepEqual(open(), [1, 3]);
  assert.deepEqual(events("closed"), [{ type: "closed", reason: "discarded", detail: "reset by peer", ageMs: 0 }]);
});

test("a member that broke by itself is closed at once, is lent no more, and its leases return without harm", async () => {
  const clock = new VirtualClock();
  const { pool, open, members } = testedPool(clock, { min: 1, max: 1, concurrency: 2 });
  await clock.advance(0);
  const [first, second] = [pool.tryAcquire(), pool.tryAcquire()];
  const waiting = pool.acquire();
  assert.equal(pool.remove(members[0] as TestedMember, "gone"), true);
  assert.equal(pool.remove(members[0] as TestedMember), false);
  assert.equal((await waiting).member.number, 2);
  first?.release();
  second?.discard("broken");
  assert.deepEqual(open(), [2]);
  assert.equal(pool.stats.inUse, 1);
});

test("a discarded member is lent no more and closed with its last lease", async () => {
  const clock = new VirtualClock();
  const { pool, open } = testedPool(clock, { min: 1, max: 2, concurrency: 3 });
  await clock.advance(0);
  const [first, second] = [pool.tryAcquire(), pool.tryAcquire()];
  first?.discard();
  assert.deepEqual(open(), [1]);
  assert.equal((await pool.acquire()).member.number, 2);
  second?.release();
  assert.deepEqual(open(), [2]);
});

test("an open that fails fails all who wait, at once, when nothing else is there", async () => {
  const clock = new VirtualClock();
  const opens: PromiseWithResolvers<TestedMember>[] = [];
  const { pool } = testedPool(clock, {
    max: 2,
    open: () => {
      const opening = Promise.withResolvers<TestedMember>();
      opens.push(opening);
      return opening.promise;
    },
  });
  const failures: unknown[] = [];
  const waiting = [1, 2, 3].map(() => pool.acquire().catch((error) => failures.push(error)));
  opens[0]?.reject(new Error("first"));
  await clock.advance(0);
  assert.deepEqual(failures, [], "the second may succeed");
  const refused = new Error("refused");
  opens[1]?.reject(refused);
  await Promise.all(waiting);
  assert.deepEqual(failures, [refused, refused, refused]);
  assert.equal(opens.length, 2);
  // Who comes next finds out anew.
  const next = pool.acquire();
  opens[2]?.resolve({ number: 3, closed: false });
  assert.equal((await next).member.number, 3);
});

test("opens nothing of its own accord before a growing pause after failures is over", async () => {
  const clock = new VirtualClock();
  const begun = clock.now();
  const times: number[] = [];
  let broken = true;
  const tested = testedPool(clock, {
    min: 1,
    max: 2,
    minBackoffMs: 100,
    maxBackoffMs: 1_000,
    open: async () => {
      times.push(clock.now() - begun);
      if (broken) throw new Error("refused");
      return tested.openMember();
    },
  });
  await clock.advance(3_000);
  assert.deepEqual(times, [0, 100, 300, 700, 1_500, 2_500]);
  assert.equal(tested.pool.tryAcquire(), undefined);
  assert.equal(times.length, 6, "nobody waits");
  broken = false;
  await clock.advance(500);
  assert.equal(tested.pool.stats.open, 1);
  assert.equal(clock.pending, 0);
});

test("jitter takes up to half of the pause after a failure", async () => {
  const clock = new VirtualClock();
  const { events } = testedPool(clock, {
    min: 1,
    minBackoffMs: 1_000,
    random: () => 0.5,
    open: () => Promise.reject(new Error("refused")),
  });
  await clock.advance(0);
  assert.equal(events("open-failed")[0]?.retryInMs, 750);
});

test("an open that hangs is given up in time, and closed when it succeeds late", async () => {
  const clock = new VirtualClock();
  const opens: PromiseWithResolvers<TestedMember>[] = [];
  const signals: AbortSignal[] = [];
  const { pool, events } = testedPool(clock, {
    max: 1,
    openTimeoutMs: 1_000,
    open: (signal) => {
      const opening = Promise.withResolvers<TestedMember>();
      opens.push(opening);
      signals.push(signal);
      return opening.promise;
    },
  });
  const waiting = assert.rejects(pool.acquire(), AttemptTimeoutError);
  await clock.advance(1_000);
  await waiting;
  assert.equal(signals[0]?.aborted, true);
  const late = { number: 1, closed: false };
  opens[0]?.resolve(late);
  await clock.advance(0);
  assert.equal(late.closed, true);
  assert.equal(events("closed")[0]?.reason, "late");
  assert.equal(pool.stats.open, 0);
});

test("closes what nobody has used for long, down to the least number, the longest unused first", async () => {
  const clock = new VirtualClock();
  const { pool, open } = testedPool(clock, { min: 1, max: 4, idleMs: 10_000 });
  const leases = await Promise.all([1, 2, 3, 4].map(() => pool.acquire()));
  for (const lease of leases.slice(0, 3)) lease.release();
  await clock.advance(5_000);
  leases[3]?.release();
  await clock.advance(4_999);
  assert.deepEqual(open(), [1, 2, 3, 4]);
  await clock.advance(1);
  assert.deepEqual(open(), [4]);
  await clock.advance(60_000);
  assert.deepEqual(open(), [4]);
  assert.equal(clock.pending, 0);
});

test("one caller after the other keeps a member that is needed from being idle", async () => {
  const clock = new VirtualClock();
  const { pool, open } = testedPool(clock, { max: 2, idleMs: 1_000 });
  for (let n = 0; n < 10; n += 1) {
    (await pool.acquire()).release();
    await clock.advance(999);
  }
  assert.ok(open().length >= 1);
  await clock.advance(1_000);
  assert.deepEqual(open(), []);
});

test("replaces what is too old, each at an age of its own, and what is in use only when it has returned", async () => {
  const clock = new VirtualClock();
  const ages = [0, 0.5, 1, 0, 0, 0];
  const { pool, open, events } = testedPool(clock, {
    min: 3,
    max: 3,
    maxAgeMs: 10_000,
    ageJitter: 0.2,
    random: () => ages.shift() ?? 0,
  });
  await clock.advance(0);
  const lease = pool.tryAcquire();
  assert.equal(lease?.member.number, 3);
  await clock.advance(8_000);
  assert.deepEqual(open(), [1, 2, 3], "the oldest is in use");
  lease?.release();
  await clock.advance(0);
  assert.deepEqual(open(), [1, 2, 4]);
  await clock.advance(1_000);
  assert.deepEqual(open(), [1, 4, 5]);
  await clock.advance(1_000);
  assert.deepEqual(open(), [4, 5, 6]);
  assert.deepEqual(
    events("closed").map(({ reason, ageMs }) => [reason, ageMs]),
    [
      ["age", 8_000],
      ["age", 9_000],
      ["age", 10_000],
    ],
  );
});

test("a member for many users that is too old is lent only where no other has room, and ends with its last user", async () => {
  const clock = new VirtualClock();
  const { pool, open } = testedPool(clock, { max: 2, concurrency: 2, maxAgeMs: 1_000, ageJitter: 0 });
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  second?.release();
  await clock.advance(1_000);
  assert.deepEqual(open(), [1, 2], "its replacement is there already");
  const others = [pool.tryAcquire(), pool.tryAcquire(), pool.tryAcquire()];
  assert.deepEqual(
    others.map((lease) => lease?.member.number),
    [2, 2, 1],
  );
  others[2]?.release();
  assert.deepEqual(open(), [1, 2]);
  first?.release();
  assert.deepEqual(open(), [2]);
});

test("checks a member that nobody has used for long before it is lent, and takes another where it fails", async () => {
  const clock = new VirtualClock();
  const good = new Map<number, boolean>();
  const checked: number[] = [];
  const { pool, open, events } = testedPool(clock, {
    min: 2,
    max: 2,
    checkAfterMs: 1_000,
    check: async ({ number }) => {
      checked.push(number);
      const result = good.get(number);
      if (result === undefined) throw new Error("connection lost");
      return result;
    },
  });
  await clock.advance(999);
  pool.tryAcquire()?.release();
  assert.deepEqual(checked, []);
  await clock.advance(1_000);
  good.set(1, true);
  assert.equal((await pool.acquire()).member.number, 1);
  assert.deepEqual(checked, [2, 1]);
  assert.deepEqual(
    events("closed").map(({ reason, detail }) => [reason, (detail as Error).message]),
    [["check", "connection lost"]],
  );
  assert.deepEqual(open(), [1, 3]);
});

test("what must be checked is not free at once, and is after its check", async () => {
  const clock = new VirtualClock();
  const { pool } = testedPool(clock, { min: 1, max: 1, checkAfterMs: 1_000, check: async () => true });
  await clock.advance(1_000);
  assert.equal(pool.tryAcquire(), undefined);
  await clock.advance(0);
  assert.equal(pool.tryAcquire()?.member.number, 1);
});

test("a member that breaks while it is checked is replaced for whoever waits for it", async () => {
  const clock = new VirtualClock();
  const checked = Promise.withResolvers<boolean>();
  const { pool, members } = testedPool(clock, { max: 1, checkAfterMs: 1_000, check: () => checked.promise });
  (await pool.acquire()).release();
  await clock.advance(1_000);
  const waiting = pool.acquire();
  assert.ok(pool.remove(members[0] ?? assert.fail(), "lost"));
  checked.resolve(false);
  await clock.advance(0);
  assert.equal(pool.stats.waiting, 0);
  assert.equal((await waiting).member.number, 2);
});

test("a check that hangs ends in time, and its member with it", async () => {
  const clock = new VirtualClock();
  const { pool, open, events } = testedPool(clock, {
    min: 1,
    max: 1,
    checkAfterMs: 1_000,
    openTimeoutMs: 500,
    check: never,
  });
  await clock.advance(1_000);
  const waiting = pool.acquire();
  await clock.advance(500);
  assert.equal((await waiting).member.number, 2);
  assert.equal(events("closed")[0]?.reason, "check");
  assert.deepEqual(open(), [2]);
});

test("reports each lease once that is held for too long, and tells all of them on request", async () => {
  const clock = new VirtualClock();
  const { pool, events } = testedPool(clock, { max: 3, leakAfterMs: 1_000 });
  await pool.acquire({ borrower: "a" });
  await clock.advance(400);
  const quick = await pool.acquire({ borrower: "quick" });
  await pool.acquire({ borrower: "b" });
  await clock.advance(500);
  quick.release();
  assert.deepEqual(pool.leaks(), []);
  await clock.advance(5_000);
  assert.deepEqual(events("leaked"), [
    { type: "leaked", heldMs: 1_000, borrower: "a" },
    { type: "leaked", heldMs: 1_000, borrower: "b" },
  ]);
  assert.deepEqual(pool.leaks(), [
    { borrower: "a", heldMs: 5_900 },
    { borrower: "b", heldMs: 5_500 },
  ]);
  assert.deepEqual(pool.borrowers(), pool.leaks());
});

test("draining refuses those who wait and who come, waits for what is lent, and closes all", async () => {
  const clock = new VirtualClock();
  const { pool, open } = testedPool(clock, { max: 2, min: 2 });
  await clock.advance(0);
  const lease = await pool.acquire();
  const other = await pool.acquire();
  const closed = (error: unknown) => isAppError(error, "POOL_CLOSED") && error.kind === "unavailable";
  const waiting = assert.rejects(pool.acquire(), closed);
  const draining = pool.drain(5_000);
  await assert.rejects(pool.acquire(), closed);
  assert.equal(pool.tryAcquire(), undefined);
  await waiting;
  other.release();
  assert.deepEqual(open(), [lease.member.number]);
  await clock.advance(1_000);
  lease.release();
  assert.equal(await draining, 0);
  assert.equal(await pool.drain(0), 0);
  assert.deepEqual(open(), []);
  assert.equal(clock.pending, 0);
});

test("draining waits no longer than it may, and answers how many leases were out", async () => {
  const clock = new VirtualClock();
  const { pool, open } = testedPool(clock);
  const lease = await pool.acquire();
  const draining = pool.drain(5_000);
  await clock.advance(5_000);
  assert.equal(await draining, 1);
  assert.deepEqual(open(), []);
  lease.release();
  assert.equal(pool.stats.inUse, 0);
});

test("draining ends opens and checks, and waits until all is closed", async () => {
  const clock = new VirtualClock();
  const closing = Promise.withResolvers<void>();
  const opening = Promise.withResolvers<TestedMember>();
  let closes = 0;
  let aborted = 0;
  const { pool } = testedPool(clock, {
    min: 1,
    open: (signal) => {
      signal.addEventListener("abort", () => {
        aborted += 1;
      });
      return opening.promise;
    },
    close: async () => {
      closes += 1;
      await closing.promise;
    },
  });
  await clock.advance(0);
  let drained = false;
  const draining = pool.drain(0).then(() => {
    drained = true;
  });
  await clock.advance(0);
  assert.deepEqual([aborted, drained], [1, false]);
  opening.resolve({ number: 1, closed: false });
  await clock.advance(0);
  assert.deepEqual([closes, drained], [1, false]);
  closing.resolve();
  await draining;
});

test("a close that fails, and a listener that throws, harm nobody", async () => {
  const clock = new VirtualClock();
  const { pool, events } = testedPool(clock, {
    close: () => {
      throw new Error("closed already");
    },
  });
  (await pool.acquire()).discard();
  await clock.advance(0);
  assert.match(String(events("close-failed")[0]?.error), /closed already/);
  assert.equal(await pool.drain(0), 0);
});

test("users of members that are gone take no room from those that have come", async () => {
  const clock = new VirtualClock();
  const { pool, members, open } = testedPool(clock, { min: 1, max: 3, concurrency: 10, growAt: 0.8 });
  await clock.advance(0);
  for (let user = 0; user < 7; user += 1) pool.tryAcquire();
  pool.remove(members[0] as TestedMember, "gone");
  await clock.advance(0);
  for (let user = 0; user < 7; user += 1) {
    assert.equal(pool.hasRoom, true, `${user} users`);
    assert.ok(pool.tryAcquire());
  }
  await clock.advance(0);
  // Nothing is opened ahead of need for them either.
  assert.deepEqual(open(), [2]);
});
