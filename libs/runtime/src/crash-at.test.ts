import assert from "node:assert/strict";
import { test } from "node:test";
import { crashPoints } from "@shoal/kernel";
import { parseCrashAt } from "./crash-at.ts";

test("a crash is armed by the name of a point, the first time or the nth", () => {
  assert.equal(parseCrashAt("none"), undefined);
  assert.deepEqual(parseCrashAt("before-commit"), { point: "before-commit", nth: 1 });
  assert.deepEqual(parseCrashAt("after-reply:12"), { point: "after-reply", nth: 12 });
});

test("a point that there is not is refused with those that there are", () => {
  for (const text of ["", "before", "before-commit:0", "before-commit:", "toString", "before-commit:1:2"])
    assert.throws(
      () => parseCrashAt(text),
      ({ message }: Error) => Object.keys(crashPoints).every((point) => message.includes(point)),
    );
});
