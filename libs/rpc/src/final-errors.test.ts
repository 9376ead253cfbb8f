import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, type ErrorKind } from "@shoal/kernel";
import { pushbackOf, toGrpcStatus } from "./errors.ts";
import { isFinal, markFinal } from "./final-errors.ts";

function failure(kind: ErrorKind, more: { readonly retryAfterMs?: number; readonly cause?: unknown } = {}): AppError {
  return new AppError({ kind, reason: "BROKEN", domain: "test", message: "it is broken", ...more });
}

const asked = (error: unknown) => toGrpcStatus(error).metadata.get("grpc-retry-pushback-ms");

test("what fails because of a final failure is final too, however it is wrapped", () => {
  const final = failure("unavailable", { retryAfterMs: 100 });
  markFinal(final);
  const wrapped = new Error("wrapped", { cause: failure("unavailable", { retryAfterMs: 100, cause: final }) });
  for (const error of [final, failure("unavailable", { cause: final }), wrapped]) {
    assert.equal(isFinal(error), true);
    assert.deepEqual(asked(error), ["-1"]);
  }
  assert.equal(isFinal(failure("unavailable", { cause: failure("unavailable") })), false);
});

test("causes that go round in a circle end", () => {
  const one = new Error("one");
  one.cause = new Error("other", { cause: one });
  assert.equal(isFinal(one), false);
});

test("a refusal that says when to come again says so in gRPC's own way too; nothing else does", () => {
  assert.deepEqual(asked(failure("unavailable", { retryAfterMs: 100.2 })), ["101"]);
  assert.deepEqual(asked(failure("exhausted", { retryAfterMs: 0 })), ["0"]);
  assert.deepEqual(asked(failure("exhausted")), []);
  assert.deepEqual(asked(failure("precondition", { retryAfterMs: 100 })), []);
  assert.deepEqual(asked(new Error("unexpected")), []);
});

test("a pushback is a whole number of 32 bits, or forbids another attempt", () => {
  const { metadata } = toGrpcStatus(failure("unavailable"));
  assert.equal(pushbackOf(metadata), undefined);
  const read = (word: string) => {
    metadata.set("grpc-retry-pushback-ms", word);
    return pushbackOf(metadata);
  };
  assert.deepEqual([read("0"), read("300"), read("-1"), read("2147483647")], [0, 300, -1, 2_147_483_647]);
  for (const word of ["", "soon", "1e3", "1.5", "2147483648", "99999999999", " 1"])
    assert.ok(Number.isNaN(read(word)), word);
});
