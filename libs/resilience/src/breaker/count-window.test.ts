import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CountWindow } from "./count-window.ts";

const figures = ({ calls, failures, slow }: CountWindow) => ({ calls, failures, slow });

test("counts the last so many calls, as a list of them would", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(
        fc.oneof({ weight: 20, arbitrary: fc.tuple(fc.boolean(), fc.boolean()) }, fc.constant("clear" as const)),
      ),
      (size, steps) => {
        const window = new CountWindow(size);
        let model: (readonly [boolean, boolean])[] = [];
        for (const step of steps) {
          if (step === "clear") {
            window.clear();
            model = [];
          } else {
            window.add(0, ...step);
            model = [...model, step].slice(-size);
          }
          const failures = model.filter(([failed]) => failed).length;
          const slow = model.filter(([, isSlow]) => isSlow).length;
          assert.deepEqual(figures(window), { calls: model.length, failures, slow });
        }
      },
    ),
  );
});
