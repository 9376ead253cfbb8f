import assert from "node:assert/strict";
import { test } from "node:test";
import { requireInteger } from "./require-integer.ts";

test("lets the ends of the range through and names the option and the range otherwise", () => {
  requireInteger("limit", 1, 1, 10);
  requireInteger("limit", 10, 1, 10);
  requireInteger("limit", 2 ** 40, 1);
  for (const bad of [0, 11, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => requireInteger("limit", bad, 1, 10), {
      name: "RangeError",
      message: `limit must be a whole number from 1 to 10, not ${bad}`,
    });
  assert.throws(() => requireInteger("limit", 0, 1), /must be a whole number from 1, not 0/);
});
