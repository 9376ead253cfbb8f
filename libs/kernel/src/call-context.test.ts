import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, currentContext, runWithContext } from "./call-context.ts";

const context = createContext({ requestId: "r1", deadline: 1_000 });

test("there is no context outside a call", () => {
  assert.equal(currentContext(), undefined);
});

test("follows the work across awaits and ends with it", async () => {
  const seen = await runWithContext(context, async () => {
    await new Promise(setImmediate);
    return currentContext();
  });
  assert.equal(seen, context);
  assert.equal(currentContext(), undefined);
});
