import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, type ErrorKind } from "@shoal/kernel";
import { type FallbackEvent, isDependencyFailure, withFallback } from "./fallback.ts";

const errorOf = (kind: ErrorKind) => new AppError({ kind, reason: "TEST", domain: "shoal.test", message: kind });
const away = errorOf("unavailable");

test("answers what the call answers, and asks no fallback then", async () => {
  const answer: number | { readonly stale: true } = await withFallback(
    async () => 7,
    (): { readonly stale: true } => assert.fail("asked"),
  );
  assert.equal(answer, 7);
});

test("answers what the fallback makes of the error when a dependency fails", async () => {
  const events: FallbackEvent[] = [];
  const fallback = async (error: unknown) => ({ stale: true, because: error });
  for (const kind of ["unavailable", "exhausted", "timeout"] as const) {
    const error = errorOf(kind);
    const answer = await withFallback(() => Promise.reject(error), fallback, {
      onEvent: (event) => events.push(event),
    });
    assert.deepEqual(answer, { stale: true, because: error });
    assert.deepEqual(events.splice(0), [{ type: "used", error, fallbackError: undefined }]);
  }
});

test("a call that throws before it has begun is a call that failed", async () => {
  const run = (): number => {
    throw away;
  };
  assert.equal(await withFallback(run, () => "degraded"), "degraded");
});

test("nothing else is covered up: faults, refusals and what is no AppError reach the caller", async () => {
  for (const error of [errorOf("internal"), errorOf("missing"), errorOf("cancelled"), new TypeError("a bug")]) {
    assert.equal(isDependencyFailure(error), false);
    const call = withFallback(
      () => Promise.reject(error),
      () => assert.fail("asked"),
    );
    await assert.rejects(call, (caught) => caught === error);
  }
});

test("the caller may decide which errors a fallback is for", async () => {
  const when = (error: unknown) => error instanceof TypeError;
  const fail = () => Promise.reject(new TypeError());
  assert.equal(await withFallback(fail, () => 1, { when }), 1);
  await assert.rejects(
    withFallback(
      () => Promise.reject(away),
      () => 1,
      { when },
    ),
    away,
  );
});

test("a fallback that fails gives the first error, the very same one, with its own as information", async () => {
  const error = errorOf("unavailable");
  const fallbackError = new Error("the cache is away too");
  const events: FallbackEvent[] = [];
  const call = withFallback(
    () => Promise.reject(error),
    () => {
      throw fallbackError;
    },
    { onEvent: (event) => events.push(event) },
  );
  await assert.rejects(call, (caught) => caught === error);
  assert.equal(Reflect.get(error, "fallbackError"), fallbackError);
  assert.deepEqual(events, [{ type: "failed", error, fallbackError }]);
});

test("a fallback that has no answer throws the first error: that holds nothing then, and nothing is told", async () => {
  const error = errorOf("unavailable");
  const events: FallbackEvent[] = [];
  const call = withFallback(
    () => Promise.reject(error),
    (given) => Promise.reject(given),
    { onEvent: (event) => events.push(event) },
  );
  await assert.rejects(call, (caught) => caught === error);
  assert.equal(Reflect.has(error, "fallbackError"), false);
  assert.deepEqual(events, []);
});

test("a frozen error is thrown as it is", async () => {
  const error = Object.freeze(errorOf("timeout"));
  const call = withFallback(
    () => Promise.reject(error),
    () => Promise.reject(new Error()),
  );
  await assert.rejects(call, (caught) => caught === error);
});

test("a listener that throws changes no answer", async () => {
  const onEvent = () => {
    throw new Error("ignored");
  };
  assert.equal(
    await withFallback(
      () => Promise.reject(away),
      () => 1,
      { onEvent },
    ),
    1,
  );
});
