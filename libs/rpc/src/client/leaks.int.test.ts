import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { type TestContext, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { AppError, createContext, runWithContext } from "@shoal/kernel";
import { Bulkhead } from "@shoal/resilience";
import { clientOf } from "../hardening/raw-server.ts";
import { eventually, startTested } from "../hardening/tested-server.ts";
import type { MethodPolicy } from "../policy.ts";

const path = "/shoal.echo.v1.EchoService/EchoAgain";
const calls = 5_000;

/** Many attempts, none of which the breaker or the budget spares. */
const policies: Readonly<Record<string, Partial<MethodPolicy>>> = {
  retried: {
    retry: { maxAttempts: 3, initialBackoffMs: 5, maxBackoffMs: 5, backoffMultiplier: 1, codes: ["UNAVAILABLE"] },
  },
  hedged: { retry: undefined, hedging: { maxAttempts: 3, delayMs: 3, nonFatalCodes: ["UNAVAILABLE"] } },
};

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

for (const [name, policy] of Object.entries(policies))
  test(`${calls} ${name} calls, some of which are cancelled at any moment, leave no timer, listener, place or running call`, async (t: TestContext) => {
    let running = 0;
    let entered = 0;
    let signalled = 0;
    const server = await startTested(t, {
      echoAgain: async (_, { signal }) => {
        const n = entered;
        entered += 1;
        running += 1;
        try {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, n % 7);
            signal.addEventListener("abort", () => {
              signalled += 1;
              clearTimeout(timer);
              resolve();
            });
          });
          if (n % 5 === 0) throw new AppError({ kind: "unavailable", reason: "NO", domain: "test", message: "no" });
          return {};
        } finally {
          running -= 1;
        }
      },
    });
    const bulkhead = new Bulkhead({ name: "echo", maxCalls: calls });
    let attempts = 0;
    const client = clientOf(t, server.port, {
      policies: { [path]: { ...policy, breaker: undefined } },
      bulkhead,
      // As much as there can be of both.
      retryBudget: { maxTokens: 1_000, tokenRatio: 1 },
      onResilienceEvent: ({ type }) => {
        if (type === "retry" || type === "hedge") attempts += 1;
      },
    });
    await client.echo({});
    const before = timers();
    const shared = new AbortController();
    const context = createContext({ requestId: "test", signal: shared.signal });
    const outcomes = new Map<string, number>();
    const one = async (n: number) => {
      const own = new AbortController();
      // Before it is sent, while it runs, in a pause, or not at all.
      const timer = n % 3 === 0 ? setTimeout(() => own.abort(), n % 11) : undefined;
      const outcome = await runWithContext(context, () => client.echoAgain({}, { signal: own.signal })).then(
        () => "answered",
        (error) => (error instanceof AppError ? error.kind : String(error)),
      );
      clearTimeout(timer);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    };
    for (let n = 0; n < calls; n += 100) await Promise.all(Array.from({ length: 100 }, (_, index) => one(n + index)));
    t.diagnostic(`${entered} attempts: ${[...outcomes].map(([kind, count]) => `${count} ${kind}`).join(", ")}`);
    assert.deepEqual([...outcomes.keys()].sort(), ["answered", "cancelled", "unavailable"]);
    assert.ok(attempts > 500, `${attempts} further attempts`);
    assert.ok(signalled > 500, `${signalled} cancelled handlers`);
    await eventually(() => running === 0, "handlers at work");
    await eventually(() => timers() <= before, `${timers()} timers, ${before} before`);
    assert.equal(bulkhead.inside, 0);
    // One listener does for all calls of a signal.
    assert.ok(getEventListeners(shared.signal, "abort").length <= 1);
    await server.stillServes();
  });

test("a call that has ended is held neither by its own signal nor by that of the call that it was made for", async (t) => {
  const server = await startTested(t, {
    echoAgain: async () => {
      if (server.entered.length % 2 === 1)
        throw new AppError({ kind: "unavailable", reason: "NO", domain: "test", message: "no" });
      return {};
    },
  });
  const { signal } = new AbortController();
  const context = createContext({ requestId: "test", signal: new AbortController().signal });
  for (const policy of Object.values(policies)) {
    const client = clientOf(t, server.port, { policies: { [path]: policy } });
    const call = async () => {
      const options = { signal, timeoutMs: 60_000 };
      await runWithContext(context, () => client.echoAgain({}, options));
      return new WeakRef(options);
    };
    const ended = await call();
    // Later calls: some of grpc-js's own fields hold the last one.
    await client.echo({});
    await eventually(() => {
      collectGarbage();
      return ended.deref() === undefined;
    });
  }
});
