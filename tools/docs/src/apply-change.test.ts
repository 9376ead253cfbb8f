import assert from "node:assert/strict";
import { test } from "node:test";
import { applyChange } from "./apply-change.ts";

test("lines are put in place of others, each hunk where its lines stand", () => {
  assert.equal(applyChange("a\nb\nc\nd\n", " a\n-b\n+B\n@@\n d\n+$&\n"), "a\nB\nc\nd\n$&\n");
});

test("what stands nowhere, or twice, is refused", () => {
  assert.throws(() => applyChange("a\n", "-b\n"), /in 0 places.*\nb/);
  assert.throws(() => applyChange("a\na\n", "-a\n"), /in 2 places/);
});
