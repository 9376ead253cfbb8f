import assert from "node:assert/strict";
import { test } from "node:test";
import { unwritten } from "./contract.ts";

test("a method that is left to be written may be repeated where its name says that it only reads", () => {
  const mayBeRepeated = (method: string) => unwritten(method).includes("option idempotency_level = NO_SIDE_EFFECTS;");
  for (const method of ["GetPaymentByOrder", "ListRefunds", "SearchPayments", "FindPayment", "CountPayments"])
    assert.ok(mayBeRepeated(method), method);
  for (const method of [
    "CapturePayment",
    "GetOrCreatePayment",
    "FindAndLockPayment",
    "CheckOutCart",
    "ListenToPayment",
  ])
    assert.ok(!mayBeRepeated(method), method);
});
