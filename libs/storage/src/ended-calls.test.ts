import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createContext, isAppError, runWithContext } from "@shoal/kernel";
import { endingWithCall } from "./ended-calls.ts";

const callOfOneStatement = () => {
  const controller = new AbortController();
  const context = createContext({ requestId: "r", signal: controller.signal });
  return { context, end: () => controller.abort(), statement: Promise.withResolvers<string>() };
};

test("stops a statement again until it has settled, whether stopping fails or does nothing", async () => {
  const { context, end, statement } = callOfOneStatement();
  let stops = 0;
  const stop = async () => {
    stops += 1;
    if (stops === 3) statement.reject(new Error("stopped"));
    if (stops % 2 === 1) throw new Error("no connection to stop by");
  };
  const running = runWithContext(context, () => endingWithCall(stop, () => statement.promise));
  end();
  await assert.rejects(running, (error) => isAppError(error, "CALL_ENDED"));
  assert.equal(stops, 3);
});

test("does not settle while a stop is on its way", async () => {
  const { context, end, statement } = callOfOneStatement();
  const stopping = Promise.withResolvers<void>();
  let settled = false;
  const running = runWithContext(context, () =>
    endingWithCall(
      () => stopping.promise,
      () => statement.promise,
    ),
  ).finally(() => {
    settled = true;
  });
  end();
  statement.resolve("just in time");
  await setImmediate();
  assert.equal(settled, false);
  stopping.resolve();
  await assert.rejects(running, (error) => isAppError(error, "CALL_ENDED"));
});

test("answers what a statement that cannot be stopped has done, though its call has ended meanwhile", async () => {
  const { context, end, statement } = callOfOneStatement();
  const running = runWithContext(context, () => endingWithCall(undefined, () => statement.promise));
  end();
  statement.resolve("done");
  assert.equal(await running, "done");
});
