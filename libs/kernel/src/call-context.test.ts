import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, currentContext, remainingMs, runWithContext } from "./call-context.ts";

const context = createContext({ requestId: "r1", deadline: 1_000 });

test("there is no context outside a call, and no limit to the time left", () => {
  assert.equal(currentContext(), undefined);
  assert.equal(remainingMs(5), Number.POSITIVE_INFINITY);
});

test("follows the work across awaits and ends with it", async () => {
  const seen = await runWithContext(context, async () => {
    await new Promise(setImmediate);
    return currentContext();
  });
  assert.equal(seen, context);
  assert.equal(currentContext(), undefined);
});

test("the time left shrinks to 0 and no further", () => {
  runWithContext(context, () => {
    assert.equal(remainingMs(400), 600);
    assert.equal(remainingMs(4_000), 0);
  });
});
