import assert from "node:assert/strict";
import { test } from "node:test";
import { type CallContext, createContext, currentContext, runWithContext, withSignal } from "./call-context.ts";

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

const all: CallContext = {
  requestId: "r2",
  deadline: 2_000,
  signal: new AbortController().signal,
  priority: "critical",
  baggage: new Map([["tenant", "a"]]),
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  identity: { subject: "ada", scopes: new Set() },
  idempotencyKey: "once",
};

/** A context as a server's: what few ask for is read when it is. */
const read = Object.create(
  Object.defineProperties(
    {},
    Object.fromEntries(Object.entries(all).map(([name, value]) => [name, { get: () => value }])),
  ),
) as CallContext;

test("a context with another signal keeps all else, also what getters of a class answer", () => {
  const { signal } = new AbortController();
  assert.deepEqual({ ...read }, {});
  for (const context of [all, read]) {
    const other = withSignal(context, signal);
    assert.equal(other.signal, signal);
    assert.deepEqual(other, { ...all, signal });
  }
});

test("a context that is begun from another has all that it has", () => {
  assert.deepEqual(createContext(read), all);
});
