import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate } from "./simulate.ts";

/** As many as the suite has time for; `npm run simulate` does more. */
const seeds = 250;

test(`nothing that must not be happens in ${seeds} runs`, async () => {
  let [confirmed, orders] = [0, 0];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const result = await simulate({ seed });
    assert.equal(result.violation, undefined, `npm run simulate -- --seed ${seed} --trace`);
    confirmed += result.confirmed;
    orders += result.orders;
  }
  // Else nothing was tried.
  assert.ok(orders > 2 * seeds, `${orders} orders`);
  assert.ok(confirmed > seeds / 2, `${confirmed} orders confirmed`);
});

test("the same seed has the same history, to the byte, and another one another", async () => {
  const historyOf = async (seed: number) => {
    const lines: string[] = [];
    await simulate({ seed, trace: (line) => lines.push(line) });
    return lines.join("\n");
  };
  for (const seed of [7, 1_234, 4_000_000_000]) {
    const history = await historyOf(seed);
    assert.ok(history.length > 10_000);
    assert.equal(await historyOf(seed), history);
    assert.notEqual(await historyOf(seed - 1), history);
  }
});

test("a run with a fault that was planted ends at its violation, the same one each time", async () => {
  const plants = { freshEvents: (ids: readonly string[]) => ids };
  const lines: string[] = [];
  const first = await simulate({ seed: 1, plants, trace: (line) => lines.push(line) });
  assert.match(first.violation ?? "", /^I7: the events of/);
  assert.ok(lines.at(-1)?.endsWith(`VIOLATION ${first.violation}`));
  assert.deepEqual(await simulate({ seed: 1, plants }), first);
});
