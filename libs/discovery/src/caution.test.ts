import assert from "node:assert/strict";
import { test } from "node:test";
import { type Belief, Caution } from "./caution.ts";
import { bareInstance } from "./instance.ts";
import type { Instance } from "./registry.ts";

const holdMs = 15_000;

/** Instances named by letters, each at an address of its own. */
function instances(letters: string): Instance[] {
  return [...letters].map((letter) => bareInstance("order", `${letter}:1`));
}

function letters(belief: Belief | undefined): string | undefined {
  return belief?.instances
    .map(({ address }) => address.slice(0, 1))
    .sort()
    .join("");
}

test("knows nothing before the first answer, and believes that, even an empty one", () => {
  assert.equal(new Caution(holdMs).at(0), undefined);
  assert.deepEqual(new Caution(holdMs).hear([], 0), { instances: [], until: undefined });
  assert.deepEqual(letters(new Caution(holdMs).hear(instances("a"), 0)), "a");
});

test("believes growth and the loss of up to a half at once", () => {
  const caution = new Caution(holdMs);
  caution.hear(instances("ab"), 0);
  assert.equal(letters(caution.hear(instances("abcd"), 1)), "abcd");
  const half = caution.hear(instances("ab"), 2);
  assert.deepEqual([letters(half), half.until], ["ab", undefined]);
});

test("holds who left with more than half of the others, then lets go", () => {
  const caution = new Caution(holdMs);
  caution.hear(instances("abc"), 0);
  const doubted = caution.hear(instances("a"), 1_000);
  assert.deepEqual([letters(doubted), doubted.until], ["abc", 16_000]);
  assert.equal(letters(caution.at(15_999)), "abc");
  const believed = caution.at(16_000);
  assert.deepEqual([letters(believed), believed?.until], ["a", undefined]);
});

test("holds all when an answer is empty, then believes it", () => {
  const caution = new Caution(holdMs);
  caution.hear(instances("a"), 0);
  assert.equal(letters(caution.hear([], 1_000)), "a");
  assert.equal(letters(caution.at(16_000)), "");
});

test("while it grows again nobody is dropped; once it is as large as it was it is believed at once", () => {
  const caution = new Caution(holdMs);
  caution.hear(instances("abcd"), 0);
  for (const [index, set] of ["", "a", "ab", "abx"].entries())
    assert.equal(letters(caution.hear(instances(set), 1_000 + index)), set.includes("x") ? "abcdx" : "abcd");
  const believed = caution.hear(instances("abxy"), 2_000);
  assert.deepEqual([letters(believed), believed.until], ["abxy", undefined]);
});

test("who is new is told while others are held", () => {
  const caution = new Caution(holdMs);
  caution.hear(instances("abcd"), 0);
  caution.hear([], 1_000);
  assert.equal(letters(caution.hear(instances("x"), 2_000)), "abcdx");
  assert.equal(letters(caution.at(16_000)), "x");
});

test("a set that crumbles one by one is doubted like one that goes at once, and each is let go in its time", () => {
  const caution = new Caution(holdMs);
  caution.hear(instances("abcdef"), 0);
  assert.equal(letters(caution.hear(instances("abcde"), 1_000)), "abcde");
  assert.equal(letters(caution.hear(instances("abcd"), 2_000)), "abcd");
  assert.equal(letters(caution.hear(instances("abc"), 3_000)), "abc");
  const doubted = caution.hear(instances("ab"), 4_000);
  assert.deepEqual([letters(doubted), doubted.until], ["abcdef", 16_000]);
  for (const [now, told, until] of [
    [15_999, "abcdef", 16_000],
    [16_000, "abcde", 17_000],
    [17_000, "abcd", 18_000],
    [18_000, "abc", 19_000],
    [19_000, "ab", undefined],
  ] as const) {
    const later = caution.at(now);
    assert.deepEqual([letters(later), later?.until], [told, until]);
  }
});

test("a slow loss is believed step by step", () => {
  const caution = new Caution(holdMs);
  for (const [index, set] of ["abcd", "abc", "ab", "a"].entries())
    assert.equal(letters(caution.hear(instances(set), index * 20_000)), set);
});

test("a rolling restart, however fast, is believed at each step: those who come make up for those who leave", () => {
  const caution = new Caution(holdMs);
  for (const [index, set] of ["abc", "abcx", "bcx", "bcxy", "cxy", "cxyz", "xyz", "yz", "yzv", "vz", "vwz"].entries())
    assert.equal(letters(caution.hear(instances(set), index * 100)), [...set].sort().join(""));
  assert.equal(letters(caution.hear(instances("klm"), 2_000)), "klm", "all replaced in one answer");
});

test("two of three that are deregistered on purpose are held for a while, no longer", () => {
  const caution = new Caution(holdMs);
  caution.hear(instances("abc"), 0);
  assert.equal(letters(caution.hear(instances("ab"), 10)), "ab");
  assert.equal(letters(caution.hear(instances("a"), 20)), "abc");
  assert.equal(letters(caution.at(20 + holdMs)), "a");
});

test("an instance that came back under a new id at its address has not left, and is told once", () => {
  const caution = new Caution(holdMs);
  const before: Instance = { ...bareInstance("order", "a:1"), id: "before", startedAt: 1 };
  const after: Instance = { ...before, id: "after", startedAt: 2 };
  caution.hear([before], 0);
  assert.deepEqual(caution.hear([before, after], 10).instances, [after]);
  assert.deepEqual(caution.hear([after, before], 20).instances, [after]);
  assert.deepEqual(caution.hear([after], 30), { instances: [after], until: undefined });
});

test("who comes back while held is told as it is now", () => {
  const caution = new Caution(holdMs);
  caution.hear(instances("abc"), 0);
  caution.hear([], 1_000);
  const heavier = { ...bareInstance("order", "a:1"), weight: 7 };
  const belief = caution.hear([heavier], 2_000);
  assert.equal(letters(belief), "abc");
  assert.ok(belief.instances.includes(heavier));
});

test("a registry that loses and finds its content again and again never leaves anybody without callees", () => {
  const caution = new Caution(holdMs);
  caution.hear(instances("abcd"), 0);
  for (let now = 1_000; now < 100_000; now += 2_000) {
    assert.equal(letters(caution.hear([], now)), "abcd");
    assert.equal(letters(caution.hear(instances("abcd"), now + 1_000)), "abcd");
  }
});

test("without a hold every answer is believed", () => {
  const caution = new Caution(0);
  caution.hear(instances("abc"), 0);
  assert.deepEqual(caution.hear([], 0), { instances: [], until: undefined });
});

test("whatever is answered: who is there is told, nobody who left longer than the hold ago, and never less than half at once", () => {
  let seed = 42;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  const caution = new Caution(holdMs);
  const lastSeen = new Map<string, number>();
  const sizes: { size: number; until: number }[] = [];
  let answer: string[] = [];
  let doubting = false;
  let now = 0;
  for (let round = 0; round < 5_000; round++) {
    now += random(4_000);
    for (const address of answer) lastSeen.set(address, now);
    if (round > 0) sizes.push({ size: answer.length, until: now });
    const away = random(8);
    answer = [..."abcdefgh"].filter(() => random(8) >= away);
    const told = caution.hear(instances(answer.join("")), now);
    const largest = Math.max(0, ...sizes.filter(({ until }) => until > now - holdMs).map(({ size }) => size));
    const names = letters(told) ?? "";
    assert.ok(answer.every((address) => names.includes(address)));
    const recently = [...lastSeen].filter(([, at]) => at > now - holdMs).map(([address]) => address);
    const everyone = new Set([...answer, ...recently]);
    doubting = answer.length < (doubting ? largest : largest / 2) && everyone.size > answer.length;
    assert.equal(names, [...(doubting ? everyone : answer)].sort().join(""), `round ${round}`);
    assert.ok(names.length * 2 >= largest, `round ${round}`);
    assert.equal(told.until !== undefined, doubting);
  }
});
