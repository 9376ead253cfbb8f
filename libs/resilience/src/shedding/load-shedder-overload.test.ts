import assert from "node:assert/strict";
import { test } from "node:test";
import { type Priority, randomFrom } from "@shoal/kernel";
import { type AdmittedCall, defaultLoadShedderOptions, LoadShedder, type LoadShedderOptions } from "./load-shedder.ts";
import { arrivals, exponential, SimulatedServer, Simulation } from "./simulation.ts";

const workers = 20;
const workMs = 50;
/** Lower than the defaults, to see what it finds by itself. */
const fromLow = { minLimit: 4, initialLimit: 20 };

/** How many calls the server can do in a second. */
const capacity = (workers * 1_000) / workMs;

/** What part of the capacity each priority asks for. */
type Demand = Record<Priority, number>;

/** What became of the calls of a priority. */
interface Counts {
  came: number;
  refused: number;
  /** What those that were let in had waited before, in milliseconds. */
  waitsMs: number[];
}

const none = (): Counts => ({ came: 0, refused: 0, waitsMs: [] });

/** A server behind a shedder, and callers that do not wait for each other. */
function simulate(seed: number, first: Demand, options: Partial<LoadShedderOptions> = {}) {
  const time = new Simulation();
  const random = randomFrom(seed);
  const server = new SimulatedServer(workers, time);
  const shedder = new LoadShedder(options, time, time);
  let demand = first;
  let doneMs = 0;
  let counts = { critical: none(), default: none(), sheddable: none() };
  const serve = (priority: Priority, from: number) => (admitted: AdmittedCall) => {
    counts[priority].waitsMs.push(time.now() - from);
    const work = exponential(workMs, random);
    server.serve(work, () => {
      doneMs += work;
      admitted.end(true);
    });
  };
  const call = (priority: Priority) => {
    // Nobody asks for nothing; and with a rate of 0 time would never come to the next call.
    if (demand[priority] === 0) return;
    counts[priority].came += 1;
    const refused = () => {
      counts[priority].refused += 1;
    };
    const letIn = serve(priority, time.now());
    try {
      const deadline = time.now() + 2_000;
      const { signal } = new AbortController();
      const entered = shedder.enter({ path: "/a", priority, deadline, signal });
      if (entered instanceof Promise) entered.then(letIn, refused);
      else letIn(entered);
    } catch {
      refused();
    }
  };
  for (const priority of ["critical", "default", "sheddable"] as const)
    arrivals(
      () => capacity * (demand[priority] || 1),
      time,
      random,
      () => call(priority),
    );
  return {
    shedder,
    demand(next: Demand) {
      demand = next;
    },
    /** Lets seconds pass; what became of the calls meanwhile, and what part of what the workers can do they did. */
    async watch(seconds: number) {
      counts = { critical: none(), default: none(), sheddable: none() };
      doneMs = 0;
      await time.advance(seconds * 1_000);
      return { ...counts, goodput: doneMs / (workers * seconds * 1_000) };
    },
  };
}

const share = ({ came, refused }: Counts) => 1 - refused / came;
const quantile = ({ waitsMs }: Counts, part: number) =>
  waitsMs.toSorted((one, other) => one - other)[Math.floor(waitsMs.length * part)] ?? 0;

for (const times of [2, 5, 10]) {
  test(`with ${times} times as many calls as it can do, a server does what it can, the critical ones first, and the sheddable ones last`, async () => {
    for (const seed of [1, 2]) {
      const others = (times - 0.1) / 2;
      const { watch } = simulate(seed, { critical: 0.1, default: others, sheddable: others });
      for (const seconds of [20, 40]) {
        const { goodput, critical, default: middle, sheddable } = await watch(seconds);
        const waits = [quantile(critical, 0.99), quantile(middle, 0.95)];
        const what = `seed ${seed}: ${goodput}, ${[critical, middle, sheddable].map(share)}, waits ${waits}`;
        // At first it has to find out how much it can do.
        assert.ok(goodput >= (seconds === 20 ? 0.87 : 0.95), what);
        assert.ok(share(critical) >= 0.999, what);
        assert.ok(share(middle) >= Math.min(1, 0.9 / others) * 0.8, what);
        assert.ok(share(sheddable) <= share(middle) / 5, what);
        assert.ok(quantile(critical, 0.99) <= workMs, what);
        // At first, while none has been refused, they are patient.
        assert.ok(seconds === 20 || quantile(middle, 0.95) <= 4 * defaultLoadShedderOptions.hurriedMs, what);
      }
    }
  });
}

test("a flood of critical calls alone is worked on as fast as can be, and the rest of them refused in time", async () => {
  for (const seed of [1, 2]) {
    const { watch, shedder } = simulate(seed, { critical: 3, default: 0, sheddable: 0 });
    await watch(20);
    const { goodput, critical } = await watch(30);
    assert.ok(goodput >= 0.95, `seed ${seed}: ${goodput}`);
    const { criticalPatienceMs, hurriedMs, maxWaiting } = defaultLoadShedderOptions;
    assert.ok(quantile(critical, 1 - 1e-9) <= criticalPatienceMs + hurriedMs, `seed ${seed}`);
    assert.ok(shedder.waiting <= maxWaiting, `seed ${seed}`);
  }
});

test("critical calls within the capacity are never refused while others flood it", async () => {
  for (const seed of [1, 2]) {
    const { watch } = simulate(seed, { critical: 0.7, default: 3, sheddable: 3 });
    const { goodput, critical, sheddable } = await watch(30);
    assert.ok(goodput >= 0.9, `seed ${seed}: ${goodput}`);
    assert.equal(critical.refused, 0, `seed ${seed}`);
    assert.ok(share(sheddable) <= 0.05, `seed ${seed}: ${share(sheddable)}`);
  }
});

test("refuses nobody when there is room for all, and soon after a flood nobody again", async () => {
  for (const seed of [1, 2]) {
    const calm = { critical: 0.1, default: 0.2, sheddable: 0.2 };
    const { demand, watch, shedder } = simulate(seed, calm);
    for (let n = 0; n < 2; n += 1) {
      const { critical, default: middle, sheddable } = await watch(15);
      assert.deepEqual([critical.refused, middle.refused, sheddable.refused], [0, 0, 0], `seed ${seed}`);
      demand({ critical: 0.1, default: 3, sheddable: 3 });
      assert.ok((await watch(15)).sheddable.refused > 0);
      demand(calm);
      await watch(3);
    }
    assert.ok(shedder.limit >= workers, String(shedder.limit));
  }
});

/**
 * One thread, as Node has it: each call needs it before and after its input and output, which it does not wait for, and a
 * little of it to be looked at. What comes waits for the thread before anything is known of it.
 */
async function simulateThread(seed: number, ioMs: number, callsPerSecond: number) {
  const lookMs = 0.02;
  const halfMs = 0.3;
  const time = new Simulation();
  const random = randomFrom(seed);
  const thread = new SimulatedServer(1, time);
  let isDone = 0;
  let came = 0;
  let lateMs = 0;
  let looks = 0;
  let delayMs = 0;
  const shedder = new LoadShedder({ ...fromLow, delayMs: () => delayMs }, time, time);
  const watch = () => {
    delayMs = looks === 0 ? 0 : lateMs / looks;
    lateMs = 0;
    looks = 0;
    time.after(200, watch);
  };
  watch();
  const work = (admitted: AdmittedCall) => {
    const [first, io, last] = [halfMs, ioMs, halfMs].map((ms) => exponential(ms, random)) as [number, number, number];
    const end = () => {
      isDone += 1;
      admitted.end(true);
    };
    thread.serve(first, () => time.after(io, () => thread.serve(last, end)));
  };
  const look = (cameAt: number) => {
    lateMs += time.now() - cameAt - lookMs;
    looks += 1;
    try {
      const { signal } = new AbortController();
      const entered = shedder.enter({ path: "/a", priority: "default", deadline: cameAt + 2_000, signal });
      if (entered instanceof Promise) entered.then(work, () => {});
      else work(entered);
    } catch {
      // Refused.
    }
  };
  arrivals(
    () => callsPerSecond,
    time,
    random,
    () => {
      came += 1;
      const cameAt = time.now();
      thread.serve(lookMs, () => look(cameAt));
    },
  );
  await time.advance(10_000);
  isDone = 0;
  came = 0;
  await time.advance(10_000);
  return { goodput: isDone / Math.min(came, (10_000 - came * lookMs) / (2 * halfMs)), delayMs };
}

for (const ioMs of [2, 20, 100]) {
  test(`one thread that waits ${ioMs} ms for others stays busy in a flood, and is not late for long`, async () => {
    for (const callsPerSecond of [1_300, 3_000, 8_000]) {
      const { goodput, delayMs } = await simulateThread(1, ioMs, callsPerSecond);
      assert.ok(goodput >= 0.93, `${callsPerSecond} a second: ${goodput}`);
      assert.ok(delayMs <= Math.max(20, ioMs), `${callsPerSecond} a second: ${delayMs} ms late`);
    }
  });
}
