import assert from "node:assert/strict";
import { test } from "node:test";
import { FailureShare } from "./failure-share.ts";

test("one failure is little, many in a row are nearly all", () => {
  const failures = new FailureShare(1_000);
  assert.equal(failures.read(0), 0);
  failures.observe(true, 0);
  assert.equal(failures.read(0), 1 / 8);
  for (let count = 0; count < 40; count += 1) failures.observe(true, 0);
  assert.ok(failures.read(0) > 0.99);
  for (let count = 0; count < 40; count += 1) failures.observe(false, 0);
  assert.ok(failures.read(0) < 0.01);
});

test("is forgotten while no call ends", () => {
  const failures = new FailureShare(1_000);
  failures.observe(true, 0);
  assert.ok(Math.abs(failures.read(1_000) - 1 / 8 / Math.E) < 1e-9);
});
