import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, type ErrorKind } from "@shoal/kernel";
import { outcomeOfError } from "./outcome-of-error.ts";

const errorOf = (kind: ErrorKind) => new AppError({ kind, reason: "TEST", domain: "shoal.test", message: kind });

test("what the caller did, asked for or gave up says nothing of the callee", () => {
  const kinds = ["invalid", "missing", "duplicate", "precondition", "stale", "unauthenticated", "forbidden"] as const;
  for (const kind of [...kinds, "cancelled", "unimplemented"] as const)
    assert.equal(outcomeOfError(errorOf(kind)), "neutral", kind);
  assert.equal(outcomeOfError(AbortSignal.abort().reason), "neutral");
});

test("a callee that is away, late or broken has failed, and so has one with an error of its own kind", () => {
  for (const kind of ["unavailable", "timeout", "internal"] as const)
    assert.equal(outcomeOfError(errorOf(kind)), "failure", kind);
  for (const error of [new TypeError("oops"), new DOMException("late", "TimeoutError"), undefined, "thrown"])
    assert.equal(outcomeOfError(error), "failure", String(error));
});

test("a callee that has too much to do is well, unless it is said to have failed", () => {
  assert.equal(outcomeOfError(errorOf("exhausted")), "neutral");
  assert.equal(outcomeOfError(errorOf("exhausted"), "failure"), "failure");
  assert.equal(outcomeOfError(errorOf("invalid"), "failure"), "neutral");
});
