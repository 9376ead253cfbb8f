import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@shoal/testkit";
import fc from "fast-check";
import { KeyedLimiter } from "./keyed-limiter.ts";
import { TokenBucket } from "./token-bucket.ts";

const perSecond = 2;
const burst = 3;

/** Token buckets by key, and how often the shared one was asked. */
function keyed(maxKeys: number, clock = new VirtualClock()) {
  const create = () => new TokenBucket({ perSecond, burst, now: () => clock.now() });
  const shared = create();
  const asked = { shared: 0 };
  const overflow = {
    tryAcquire: (cost?: number) => {
      asked.shared += 1;
      return shared.tryAcquire(cost);
    },
    isIdle: () => shared.isIdle(),
  };
  return { clock, asked, limiter: new KeyedLimiter<string>({ create, maxKeys, overflow }) };
}

test("keeps no more than maxKeys, and lets no key through more than its limiter would, however many keys there are", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 20 }),
      fc.array(
        fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 4 })),
        {
          maxLength: 200,
        },
      ),
      async (maxKeys, steps) => {
        const { clock, limiter, asked } = keyed(maxKeys);
        const passed = new Map<number, number[]>();
        for (const [waitMs, key, times] of steps) {
          await clock.advance(waitMs);
          for (let time = 0; time < times; time += 1) {
            const before = asked.shared;
            const allowed = limiter.tryAcquire(`key ${key}`) === 0;
            assert.ok(limiter.size <= maxKeys);
            if (allowed && asked.shared === before) passed.set(key, [...(passed.get(key) ?? []), clock.now()]);
          }
        }
        for (const times of passed.values())
          for (const [first, since] of times.entries())
            for (let last = first; last < times.length; last += 1) {
              const allowed = burst + (perSecond * ((times[last] ?? 0) - since)) / 1_000;
              assert.ok(last - first + 1 <= allowed + 1e-6, "a key got more than its limiter allows");
            }
      },
    ),
    { numRuns: 50 },
  );
});

test("a million made-up keys reset nobody's limit, and together get no more than one does", async () => {
  const { limiter, asked } = keyed(1_000);
  for (let n = 0; n < burst; n += 1) assert.equal(limiter.tryAcquire("alice"), 0);
  let throughShared = 0;
  for (let n = 0; n < 1_000_000; n += 1) {
    const before = asked.shared;
    if (limiter.tryAcquire(`made up ${n}`) === 0) throughShared += asked.shared - before;
  }
  assert.equal(limiter.size, 1_000);
  assert.equal(asked.shared, 1_000_000 - 999);
  assert.equal(throughShared, burst);
  assert.equal(limiter.tryAcquire("alice"), 500);
});

test("a new key takes the place of one that is idle", async () => {
  const { clock, limiter, asked } = keyed(2);
  limiter.tryAcquire("a");
  limiter.tryAcquire("b");
  await clock.advance(499);
  limiter.tryAcquire("c");
  assert.equal(asked.shared, 1);
  await clock.advance(1);
  limiter.tryAcquire("b");
  limiter.tryAcquire("c");
  assert.equal(asked.shared, 1);
  assert.equal(limiter.size, 2);
  // "a" was forgotten, and "b" was not.
  assert.equal(limiter.tryAcquire("b", burst), 500);
});

test("an idle key is found among many that are not, after at most an eighth as many new ones", async () => {
  const { clock, limiter, asked } = keyed(800);
  for (let n = 0; n < 800; n += 1) limiter.tryAcquire(`key ${n}`, n === 400 ? 1 : burst);
  await clock.advance(500);
  for (let n = 0; n <= 100; n += 1) limiter.tryAcquire(`new ${n}`);
  // The hand meets the 401st key with the 51st new one, and none that is idle after that.
  assert.equal(asked.shared, 100);
  assert.equal(limiter.size, 800);
  assert.equal(limiter.tryAcquire("new 50", burst), 500);
});

test("visits all that it keeps, and the shared one", () => {
  const create = () => new TokenBucket({ perSecond: 1, burst: 1, now: () => 0 });
  const limiter = new KeyedLimiter<string, TokenBucket>({ create, maxKeys: 2 });
  for (const key of ["a", "b", "c"]) assert.equal(limiter.tryAcquire(key), 0);
  let visited = 0;
  limiter.forEach((bucket) => {
    visited += 1;
    bucket.setOptions({ perSecond: 10 });
  });
  assert.equal(visited, 3);
  for (const key of ["a", "b", "c"]) assert.equal(limiter.tryAcquire(key), 100);
});

test("answers a key's limiter, the same one while it is kept", () => {
  const { limiter, asked } = keyed(1);
  limiter.limiterOf("a").tryAcquire(burst);
  assert.equal(limiter.tryAcquire("a"), 500);
  assert.equal(asked.shared, 0);
  limiter.limiterOf("b").tryAcquire();
  assert.equal(asked.shared, 1);
});

test("names the option that is out of range", () => {
  for (const maxKeys of [0, 1.5, 10_000_001])
    assert.throws(() => keyed(maxKeys), /^RangeError: maxKeys must be a whole number from 1 to 10000000/);
});
