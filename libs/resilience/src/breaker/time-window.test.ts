import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TimeWindow } from "./time-window.ts";

const figures = ({ calls, failures, slow }: TimeWindow) => ({ calls, failures, slow });

test("forgets calls with time alone, a tenth of the window at once", () => {
  const window = new TimeWindow(1_000);
  window.add(50, true, false);
  window.add(150, true, true);
  window.age(999);
  assert.deepEqual(figures(window), { calls: 2, failures: 2, slow: 1 });
  window.age(1_000);
  assert.deepEqual(figures(window), { calls: 1, failures: 1, slow: 1 });
  window.age(1_100);
  assert.deepEqual(figures(window), { calls: 0, failures: 0, slow: 0 });
});

test("a long time without calls leaves nothing", () => {
  const window = new TimeWindow(1_000);
  window.add(0, true, true);
  window.age(1e12);
  assert.deepEqual(figures(window), { calls: 0, failures: 0, slow: 0 });
});

test("a clock that goes back neither forgets nor loses calls", () => {
  const window = new TimeWindow(1_000);
  window.add(5_000, true, false);
  window.add(1_000, false, false);
  assert.deepEqual(figures(window), { calls: 2, failures: 1, slow: 0 });
});

test("counts those of the last ten buckets, as a list of calls would", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: 500 }),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      fc.array(
        fc.record({
          passes: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 50, noNaN: true })),
          what: fc.oneof(
            { weight: 50, arbitrary: fc.constantFrom("failed", "slow", "fine", "age") },
            { weight: 1, arbitrary: fc.constant("clear") },
          ),
        }),
        { minLength: 20, maxLength: 100, size: "max" },
      ),
      (ms, start, steps) => {
        const window = new TimeWindow(ms);
        const bucketOf = (time: number) => Math.floor(time / (ms / 10));
        let model: { bucket: number; what: string }[] = [];
        let now = start;
        for (const { passes, what } of steps) {
          now += passes;
          if (what === "clear") {
            window.clear();
            model = [];
          } else if (what === "age") window.age(now);
          else {
            window.add(now, what === "failed", what === "slow");
            model.push({ bucket: bucketOf(now), what });
          }
          window.age(now);
          model = model.filter(({ bucket }) => bucket > bucketOf(now) - 10);
          const count = (wanted: string) => model.filter((call) => call.what === wanted).length;
          assert.deepEqual(figures(window), { calls: model.length, failures: count("failed"), slow: count("slow") });
        }
      },
    ),
  );
});
