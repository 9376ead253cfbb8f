import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, type ErrorKind, isAppError } from "@shoal/kernel";
import { upstreamError } from "./upstream-error.ts";

const answered = (kind: ErrorKind, retryAfterMs?: number) =>
  new AppError({
    kind,
    reason: "WHY",
    domain: "shoal.user",
    message: "why",
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });

test("what may pass is UNAVAILABLE, with the time that the other service names", () => {
  for (const kind of ["unavailable", "exhausted", "timeout"] as const) {
    const cause = answered(kind, 250);
    const error = upstreamError("user", "shoal.payment", cause);
    assert.ok(isAppError(error, "USER_UNAVAILABLE"));
    assert.deepEqual(
      [error.kind, error.domain, error.retryAfterMs, error.cause],
      ["unavailable", "shoal.payment", 250, cause],
    );
  }
  const error = upstreamError("user", "shoal.payment", answered("timeout"));
  assert.ok(isAppError(error) && error.retryAfterMs === 1_000);
});

test("the end of the caller's own call, and what no service has said, are passed on as they are", () => {
  for (const error of [answered("cancelled"), new TypeError("a bug")])
    assert.equal(upstreamError("user", "shoal.payment", error), error);
});

test("what should not have been answered is unexpected", () => {
  for (const kind of ["invalid", "missing", "internal"] as const) {
    const error = upstreamError("user", "shoal.payment", answered(kind));
    assert.ok(error instanceof Error && !isAppError(error), kind);
    assert.equal(error.message, "the user service answered WHY");
  }
});
