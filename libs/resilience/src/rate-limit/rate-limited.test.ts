import assert from "node:assert/strict";
import { test } from "node:test";
import { rateLimited } from "./rate-limited.ts";

test("says when to come again, in whole milliseconds", () => {
  const { kind, reason, domain, message, retryAfterMs } = rateLimited("calls of one user", 12.3);
  assert.deepEqual(
    { kind, reason, domain, message, retryAfterMs },
    {
      kind: "exhausted",
      reason: "RATE_LIMITED",
      domain: "shoal.resilience",
      message: "the limit of calls of one user is reached: try again in 13 ms",
      retryAfterMs: 13,
    },
  );
});

test("proposes no retry where none helps", () => {
  const { message, retryAfterMs } = rateLimited("bytes", Number.POSITIVE_INFINITY);
  assert.equal(retryAfterMs, undefined);
  assert.match(message, /more at once than the limit of bytes ever allows: ask for less/);
});
