import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import { createContext, type Priority } from "@shoal/kernel";
import { ReceivedContext, writeContext } from "./wire-context.ts";

const readContext = (from: Metadata, fallback: Priority) => {
  const { requestId, priority, baggage, traceparent, idempotencyKey } = new ReceivedContext(from, fallback);
  return { requestId, priority, baggage, traceparent, idempotencyKey };
};

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

test("what one service writes the next one reads", () => {
  const metadata = new Metadata();
  const baggage = new Map([
    ["tenant", "größe, 🐟; x=y"],
    ["user", "ada"],
  ]);
  const sent = { requestId: "r-1", priority: "critical" as const, baggage, traceparent, idempotencyKey: "basket-1" };
  writeContext(metadata, createContext(sent), "default");
  assert.deepEqual(readContext(metadata, "default"), sent);
});

test("a priority that is the method's own anyway is not sent", () => {
  for (const [own, sent] of [
    ["sheddable", undefined],
    ["default", "sheddable"],
  ] as const) {
    const metadata = new Metadata();
    writeContext(metadata, createContext({ requestId: "r", priority: "sheddable" }), own);
    assert.equal(metadata.get("x-shoal-priority")[0], sent);
    assert.equal(readContext(metadata, own).priority, "sheddable");
  }
});

test("a request has the id of its trace, which is not sent twice, unless it has one of its own", () => {
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  for (const [requestId, sent] of [
    [traceId, undefined],
    ["r-1", "r-1"],
  ] as const) {
    const metadata = new Metadata();
    writeContext(metadata, createContext({ requestId, traceparent }), "default");
    assert.equal(metadata.get("x-request-id")[0], sent);
    assert.equal(readContext(metadata, "default").requestId, requestId);
  }
});

test("an id that is made up stays the same", () => {
  const context = new ReceivedContext(new Metadata(), "default");
  assert.equal(context.requestId, context.requestId);
});

test("a caller that sends nothing gets an id and the method's priority", () => {
  const { requestId, ...rest } = readContext(new Metadata(), "sheddable");
  assert.match(requestId, /^[\w-]{36}$/);
  const nothing = { priority: "sheddable", baggage: new Map(), traceparent: undefined, idempotencyKey: undefined };
  assert.deepEqual(rest, nothing);
});

test("what is not well formed counts as not sent", () => {
  const metadata = new Metadata();
  metadata.set("x-request-id", "two words");
  metadata.set("x-shoal-priority", "urgent");
  metadata.set("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01");
  metadata.set("idempotency-key", "x".repeat(129));
  metadata.set("baggage", "good=1,bad=%zz,=none,a b=c,prop=2;ttl=5");
  const read = readContext(metadata, "default");
  assert.notEqual(read.requestId, "two words");
  assert.deepEqual(
    [read.priority, read.traceparent, read.idempotencyKey, [...read.baggage]],
    [
      "default",
      undefined,
      undefined,
      [
        ["good", "1"],
        ["prop", "2"],
      ],
    ],
  );
});

test("more baggage than the bounds allow is not taken", () => {
  const many = new Metadata();
  many.set("baggage", Array.from({ length: 100 }, (_, n) => `k${n}=v`).join(","));
  assert.equal(readContext(many, "default").baggage.size, 64);
  const large = new Metadata();
  large.set("baggage", `k=${"v".repeat(8_192)}`);
  assert.equal(readContext(large, "default").baggage.size, 0);
});
