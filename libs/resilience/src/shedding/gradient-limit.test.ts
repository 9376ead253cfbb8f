import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { defaultGradientLimitOptions, GradientLimit, type GradientLimitOptions } from "./gradient-limit.ts";
import { arrivals, exponential, SimulatedServer, Simulation } from "./simulation.ts";

const seeds = [1, 2, 3];

interface Work {
  readonly kind: string;
  readonly meanMs: number;
}

interface World {
  readonly seed: number;
  readonly workers: number;
  readonly callsPerSecond: number;
  readonly work: (random: () => number) => Work;
  readonly options?: Partial<GradientLimitOptions>;
}

/** Lower than the defaults, to see what it finds by itself. */
const fromLow = { minLimit: 4, initialLimit: 20 };

/**
 * A server behind a limit, and callers that do not wait for each other: who finds no room goes away. With `Infinity` calls
 * per second there is one whenever there is room.
 */
function simulate({ seed, workers, callsPerSecond, work, options = {} }: World) {
  const time = new Simulation();
  const random = randomFrom(seed);
  const server = new SimulatedServer(workers, time);
  const limit = new GradientLimit({ ...fromLow, ...options }, () => time.now());
  const world = { callsPerSecond, work, atWork: 0, ended: 0, tookMs: 0 };
  const call = () => {
    if (world.atWork >= limit.limit) {
      limit.reached();
      return;
    }
    world.atWork += 1;
    const from = time.now();
    const { kind, meanMs } = world.work(random);
    server.serve(exponential(meanMs, random), () => {
      limit.sample(kind, time.now() - from, world.atWork);
      world.atWork -= 1;
      world.ended += 1;
      world.tookMs += time.now() - from;
      if (callsPerSecond === Number.POSITIVE_INFINITY) flood();
    });
  };
  const flood = () => {
    while (world.atWork < limit.limit) call();
    call();
  };
  if (callsPerSecond === Number.POSITIVE_INFINITY) flood();
  else arrivals(() => world.callsPerSecond, time, random, call);
  return {
    time,
    server,
    limit,
    world,
    /** Lets seconds pass; the mean limit of each, how many calls ended in a second, and what they took, all on average. */
    async watch(seconds: number) {
      const limits: number[] = [];
      world.ended = 0;
      world.tookMs = 0;
      for (let tenth = 0; tenth < seconds * 10; tenth += 1) {
        await time.advance(100);
        limits.push(limit.limit);
      }
      limits.sort((one, other) => one - other);
      return {
        /** Not the mean, to which a probe would add. */
        limit: limits[limits.length >> 1] as number,
        highest: limits.at(-1) as number,
        perSecond: world.ended / seconds,
        meanMs: world.tookMs / world.ended,
      };
    },
  };
}

function assertBetween(value: number, low: number, high: number, what: string): void {
  assert.ok(value >= low && value <= high, `${what}: ${value} is not in ${low} to ${high}`);
}

const fiftyMs = () => ({ kind: "a", meanMs: 50 });
const hundredMs = () => ({ kind: "a", meanMs: 100 });

for (const { workers, meanMs } of [
  { workers: 4, meanMs: 20 },
  { workers: 20, meanMs: 50 },
  { workers: 100, meanMs: 200 },
]) {
  for (const times of [1.2, 3, Number.POSITIVE_INFINITY]) {
    const flood = times === Number.POSITIVE_INFINITY ? "without end" : `of ${times} times as many`;
    test(`finds about as many calls as ${workers} workers can do in a flood ${flood}, from a cold start`, async () => {
      for (const seed of seeds) {
        const capacity = (workers * 1_000) / meanMs;
        const callsPerSecond = capacity * times;
        const { watch } = simulate({ seed, workers, callsPerSecond, work: () => ({ kind: "a", meanMs }) });
        await watch(20);
        const { limit, perSecond } = await watch(60);
        assertBetween(limit, workers, 4 * workers, `seed ${seed}`);
        assertBetween(perSecond / capacity, 0.94, 1.05, `goodput with seed ${seed}`);
      }
    });
  }
}

test("comes down from far above in a flood, though the usual latency was never seen unloaded", async () => {
  for (const seed of seeds) {
    const { watch } = simulate({
      seed,
      workers: 20,
      callsPerSecond: Number.POSITIVE_INFINITY,
      work: fiftyMs,
      options: { initialLimit: 500 },
    });
    await watch(60);
    const { limit, perSecond, meanMs } = await watch(30);
    assertBetween(limit, 20, 80, `seed ${seed}`);
    assertBetween(perSecond, 380, 420, `goodput with seed ${seed}`);
    assertBetween(meanMs, 50, 200, `latency with seed ${seed}`);
  }
});

test("comes up from far below", async () => {
  for (const seed of seeds) {
    const { watch } = simulate({
      seed,
      workers: 200,
      callsPerSecond: Number.POSITIVE_INFINITY,
      work: fiftyMs,
      options: { initialLimit: 4 },
    });
    await watch(15);
    const { limit, perSecond } = await watch(30);
    assertBetween(limit, 200, 800, `seed ${seed}`);
    assertBetween(perSecond, 3_800, 4_200, `goodput with seed ${seed}`);
  }
});

test("with fewer workers than the lowest limit, and little to learn from, it comes near that limit in a few minutes", async () => {
  for (const seed of seeds) {
    const { watch } = simulate({ seed, workers: 2, callsPerSecond: 600, work: () => ({ kind: "a", meanMs: 10 }) });
    await watch(180);
    const { limit } = await watch(180);
    assertBetween(limit, 4, 16, `seed ${seed}`);
  }
});

test("follows the server when it gets fewer workers, and more", async () => {
  for (const seed of seeds) {
    const { server, watch } = simulate({ seed, workers: 20, callsPerSecond: Number.POSITIVE_INFINITY, work: fiftyMs });
    for (const workers of [20, 5, 40]) {
      server.workers = workers;
      await watch(20);
      const { limit, perSecond } = await watch(60);
      assertBetween(limit, workers, 4 * workers, `${workers} workers, seed ${seed}`);
      assertBetween(perSecond, 19 * workers, 21 * workers, `goodput of ${workers} workers, seed ${seed}`);
    }
  }
});

test("does not trust for long in what was usual before, though half of too much may be as slow", async () => {
  for (const seed of seeds) {
    const work = () => ({ kind: "a", meanMs: 60 });
    const { server, watch, world } = simulate({ seed, workers: 40, callsPerSecond: Number.POSITIVE_INFINITY, work });
    await watch(60);
    server.workers = 4;
    world.work = () => ({ kind: "a", meanMs: 10 });
    await watch(60);
    const { limit } = await watch(30);
    assertBetween(limit, 4, 16, `seed ${seed}`);
  }
});

test("does not creep upward in half an hour of overload", async () => {
  for (const seed of seeds) {
    const { watch } = simulate({ seed, workers: 20, callsPerSecond: Number.POSITIVE_INFINITY, work: hundredMs });
    for (let minute = 0; minute < 30; minute += 5) {
      const { limit, highest, perSecond } = await watch(300);
      assertBetween(limit, 20, 80, `after ${minute} minutes, seed ${seed}`);
      assertBetween(highest, 20, 160, `at most, after ${minute} minutes, seed ${seed}`);
      assertBetween(perSecond, 190, 210, `goodput after ${minute} minutes, seed ${seed}`);
    }
  }
});

test("does not fall when kinds of calls change their shares", async () => {
  for (const seed of seeds) {
    let slowShare = 0.05;
    const { watch, world } = simulate({
      seed,
      workers: 50,
      callsPerSecond: 2_000,
      work: (random) => (random() < slowShare ? { kind: "slow", meanMs: 200 } : { kind: "fast", meanMs: 10 }),
    });
    await watch(20);
    // Three in four workers are busy, then as well: it is only for the kinds that the mean latency is six times as long.
    slowShare = 0.6;
    world.callsPerSecond = 300;
    const { limit, perSecond } = await watch(30);
    assertBetween(limit, 50, 200, `seed ${seed}`);
    assertBetween(perSecond, 285, 315, `goodput with seed ${seed}`);
  }
});

test("works with a hundred kinds of which each is rare", async () => {
  for (const seed of seeds) {
    let meanMs = 100;
    const { watch } = simulate({
      seed,
      workers: 20,
      callsPerSecond: 500,
      work: (random) => ({ kind: String(Math.floor(random() * 100)), meanMs }),
    });
    for (meanMs of [100, 300]) {
      await watch(60);
      const { limit, perSecond } = await watch(120);
      assertBetween(limit, 20, 80, `seed ${seed}`);
      assertBetween((perSecond * meanMs) / 20_000, 0.95, 1.05, `goodput with seed ${seed}`);
    }
  }
});

test("recovers when the work becomes slower for good", async () => {
  for (const seed of seeds) {
    for (const callsPerSecond of [240, Number.POSITIVE_INFINITY]) {
      const { watch, world } = simulate({ seed, workers: 40, callsPerSecond, work: fiftyMs });
      await watch(20);
      world.work = () => ({ kind: "a", meanMs: 120 });
      await watch(40);
      const capacity = Math.min(callsPerSecond, 40_000 / 120);
      const { limit, perSecond } = await watch(30);
      assertBetween(limit, 40, 160, `seed ${seed}`);
      assertBetween(perSecond / capacity, 0.94, 1.05, `goodput with seed ${seed}`);
    }
  }
});

test("tries less for a tenth of the time at most", async () => {
  const { time, limit } = simulate({ seed: 1, workers: 20, callsPerSecond: 1_200, work: fiftyMs });
  await time.advance(20_000);
  let low = 0;
  for (let n = 0; n < 6_000; n += 1) {
    await time.advance(10);
    if (limit.limit < 25) low += 1;
  }
  assertBetween(low / 6_000, 0.001, 0.1, "share of the time with less");
});

/** A limit whose time passes by hand. */
function handDriven(options: Partial<GradientLimitOptions> = {}) {
  let now = 0;
  const limit = new GradientLimit({ ...fromLow, windowMs: 100, minSamples: 10, ...options }, () => now);
  return {
    limit,
    /** Windows in which this many calls are at work and take so long. */
    windows(count: number, atWork: number, latencyMs: number, isReached = false) {
      for (let window = 0; window < count; window += 1) {
        for (let call = 0; call < 10; call += 1) {
          if (isReached) limit.reached();
          now += 100;
          limit.sample("a", latencyMs, atWork);
        }
      }
    },
  };
}

test("does not grow when nobody asks for more", () => {
  const { limit, windows } = handDriven({ initialLimit: 20 });
  windows(1_000, 19, 10);
  assert.equal(limit.limit, 20);
  windows(20, 20, 10);
  assert.ok(limit.limit > 20, String(limit.limit));
});

test("what is faster by chance, again and again, does not make the rest too slow", () => {
  const { limit, windows } = handDriven({ initialLimit: 200 });
  windows(2, 150, 10);
  for (let n = 0; n < 100; n += 1) {
    windows(1, 150, 10);
    windows(1, 150, 7);
    windows(1, 150, 13);
  }
  assert.equal(limit.limit, 200);
});

test("stays within its bounds, whatever it is told", () => {
  for (const seed of seeds) {
    const random = randomFrom(seed);
    const options = { initialLimit: 10, minLimit: 7, maxLimit: 33 };
    const { limit, windows } = handDriven(options);
    const seen = new Set<number>();
    for (let n = 0; n < 3_000; n += 1) {
      if (random() < 0.1) limit.backOff();
      windows(1, limit.limit, (random() < 0.5 ? 10 : 1_000) * random(), random() < 0.9);
      assert.ok(limit.limit >= 7 && limit.limit <= 33 && Number.isInteger(limit.limit), String(limit.limit));
      seen.add(limit.limit);
    }
    assert.ok(seen.has(7), "never at its lowest");
  }
  const { limit, windows } = handDriven({ initialLimit: 10, minLimit: 7, maxLimit: 33 });
  for (let n = 0; n < 20; n += 1) windows(1, limit.limit, 10, true);
  assert.equal(limit.limit, 33);
});

test("backs off by a tenth, and does not grow in the window of that", () => {
  const { limit, windows } = handDriven({ initialLimit: 100, minLimit: 50, maxLimit: 200, probeIntervalMs: 3_600_000 });
  limit.backOff();
  assert.equal(limit.limit, 90);
  windows(2, 90, 10);
  const before = limit.limit;
  limit.backOff();
  const after = limit.limit;
  assert.ok(after < before, `${after} after ${before}`);
  windows(1, after, 10, true);
  assert.equal(limit.limit, after);
  windows(1, after, 10, true);
  assert.ok(limit.limit > after, `${limit.limit} after ${after}`);
  for (let n = 0; n < 100; n += 1) limit.backOff();
  assert.equal(limit.limit, 50);
});

test("a window lasts until there are enough calls", () => {
  let now = 0;
  const limit = new GradientLimit({ ...fromLow, windowMs: 100, minSamples: 10 }, () => now);
  const calls = (count: number) => {
    for (let n = 0; n < count; n += 1) limit.sample("a", 1, 20);
  };
  now = 1_000;
  calls(10);
  now = 2_000;
  calls(9);
  assert.equal(limit.limit, 20);
  calls(1);
  assert.ok(limit.limit > 20, String(limit.limit));
});

test("a clock that stands still, and latencies of 0, do no harm", () => {
  const still = new GradientLimit({}, () => 0);
  for (let n = 0; n < 10_000; n += 1) still.sample("a", 0, 20);
  assert.equal(still.limit, defaultGradientLimitOptions.initialLimit);
  const { limit, windows } = handDriven();
  windows(100, 1_000, 0, true);
  assert.ok(limit.limit >= 4 && limit.limit <= 1_000, String(limit.limit));
});

test("refuses options out of range, and names them", () => {
  for (const [options, name] of [
    [{ minLimit: 0 }, /minLimit/],
    [{ maxLimit: 3 }, /maxLimit/],
    [{ maxLimit: 100_001 }, /maxLimit/],
    [{ initialLimit: 3 }, /initialLimit/],
    [{ initialLimit: 1_001 }, /initialLimit/],
    [{ initialLimit: 4.5 }, /initialLimit/],
    [{ tolerance: 1 }, /tolerance/],
    [{ tolerance: 11 }, /tolerance/],
    [{ tolerance: Number.NaN }, /tolerance/],
    [{ windowMs: 9 }, /windowMs/],
    [{ windowMs: 60_001 }, /windowMs/],
    [{ minSamples: 0 }, /minSamples/],
    [{ minSamples: 10_001 }, /minSamples/],
    [{ probeIntervalMs: 99 }, /probeIntervalMs/],
    [{ probeIntervalMs: 3_600_001 }, /probeIntervalMs/],
  ] as const) {
    assert.throws(
      () => new GradientLimit(options),
      (error) => error instanceof RangeError && name.test(error.message),
    );
  }
});
