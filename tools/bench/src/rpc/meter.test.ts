import assert from "node:assert/strict";
import { test } from "node:test";
import { allocated } from "./meter.ts";

test("what was allocated is what the heap grew by between garbage collections", () => {
  assert.equal(allocated(100, [], 130), 30);
  const collections = [
    { before: 150, after: 90 },
    { before: 190, after: 80 },
  ];
  assert.equal(allocated(100, collections, 85), 50 + 100 + 5);
});
