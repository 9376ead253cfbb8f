import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { createIdTable, elsewhere, IdTable, keyOfId, lineDigest, missing } from "./id-table.ts";

const ids = Array.from({ length: 5_000 }, (_, n) => (n % 2 === 0 ? randomUUID() : `SKU-${n}`));

test("each id has a place of its own, and what is not in the table has none", () => {
  const table = createIdTable(ids.length, 4);
  const places = ids.map((id) => table.add(id));
  assert.equal(new Set(places).size, ids.length);
  assert.deepEqual(
    ids.map((id) => table.find(id)),
    places,
  );
  assert.deepEqual(
    ids.map((id) => table.add(id)),
    places,
    "added again",
  );
  assert.deepEqual(
    [...table.places()],
    places.toSorted((a, b) => a - b),
  );
  assert.equal(table.find("none"), missing);
  for (const [index, id] of ids.entries()) assert.equal(table.keyAt(places[index] as number), keyOfId(id));
});

test("an id is of one part, and the parts are about the same size", () => {
  const count = 3;
  const tables = [0, 1, 2].map((index) => createIdTable(ids.length, 2, { index, count }));
  for (const id of ids) assert.equal(tables.filter((table) => table.add(id) !== elsewhere).length, 1, id);
  for (const table of tables) {
    const size = [...table.places()].length;
    assert.ok(Math.abs(size - ids.length / count) < ids.length / 10, String(size));
  }
});

test("finds the ids of another table, of another width, and by its shared numbers", () => {
  const one = createIdTable(ids.length, 8);
  const other = createIdTable(ids.length, 4);
  const half = ids.slice(0, ids.length / 2);
  for (const id of ids) one.add(id);
  for (const id of half) other.add(id);
  const shared = new IdTable(other.cells, other.width, { index: 0, count: 1 });
  for (const [index, id] of ids.entries())
    assert.equal(shared.findIn(one, one.find(id)), index < half.length ? other.find(id) : missing);
});

test("lines that differ in anything have other digests", () => {
  type Line = Parameters<typeof lineDigest>;
  const line: Line = [0, "TEA", 2, 450];
  const others: readonly Line[] = [
    [1, "TEA", 2, 450],
    [0, "CUP", 2, 450],
    [0, "TEA", 3, 450],
    [0, "TEA", 2, 451],
    [0, "TEA", 450, 2],
    [0, "TEA", 2, 450 + 2 ** 32],
  ];
  assert.equal(lineDigest(...line), lineDigest(...line));
  for (const other of others) assert.notEqual(lineDigest(...line), lineDigest(...other), other.join());
});
