import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate } from "./simulate.ts";

test("the same seed has the same history, to the byte, and another one another", async () => {
  const historyOf = async (seed: number) => {
    const lines: string[] = [];
    await simulate({ seed, trace: (line) => lines.push(line) });
    return lines.join("\n");
  };
  const seeds = [7, 1_234, 4_000_000_000];
  const histories: string[] = [];
  for (const seed of seeds) {
    const history = await historyOf(seed);
    assert.ok(history.length > 10_000);
    assert.equal(await historyOf(seed), history);
    histories.push(history);
  }
  assert.equal(new Set(histories).size, seeds.length);
});

test("a run with a fault that was planted ends at its violation, the same one each time", async () => {
  const plants = { freshEvents: (ids: readonly string[]) => ids };
  const lines: string[] = [];
  const first = await simulate({ seed: 1, plants, trace: (line) => lines.push(line) });
  assert.match(first.violation ?? "", /^I7: the events of/);
  assert.ok(lines.some((line) => line.endsWith(`VIOLATION ${first.violation}`)));
  assert.deepEqual(await simulate({ seed: 1, plants }), first);
});
