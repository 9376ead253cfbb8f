import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "@shoal/kernel";
import { OutcomeWindow } from "./outcome-window.ts";

test("counts what ended within the window, to a tenth of it", () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = randomFrom(seed);
    const window = new OutcomeWindow(1_000);
    const ended: { at: number; failed: boolean }[] = [];
    let now = 1_000_000 * random();
    for (let turn = 0; turn < 300; turn += 1) {
      now += random() < 0.02 ? 3_000 * random() : 30 * random();
      const failed = random() < 0.4;
      window.add(failed, now);
      ended.push({ at: now, failed });
      const since = Math.floor(now / 100) - 9;
      const counted = ended.filter(({ at }) => Math.floor(at / 100) >= since);
      assert.equal(window.calls(now), counted.length, `calls, seed ${seed}, turn ${turn}`);
      const failures = counted.filter((call) => call.failed).length;
      assert.equal(window.failures(now), failures, `failures, seed ${seed}, turn ${turn}`);
    }
    assert.equal(window.calls(now + 1_000), 0);
    assert.equal(window.failures(now + 1_000), 0);
  }
});

test("forgets all when it is told to", () => {
  const window = new OutcomeWindow(1_000);
  window.add(true, 5);
  window.clear();
  assert.equal(window.calls(5), 0);
  assert.equal(window.failures(5), 0);
});
