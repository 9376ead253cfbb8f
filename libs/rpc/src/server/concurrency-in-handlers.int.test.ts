import assert from "node:assert/strict";
import { test } from "node:test";
import { TaskScope, WorkerPool } from "@shoal/concurrency";
import { createContext, runWithContext } from "@shoal/kernel";
import { startTested } from "../hardening/tested-server.ts";

const pool = new WorkerPool({ workers: 1 });

const children: Readonly<Record<string, (call: () => Promise<unknown>) => Promise<unknown>>> = {
  "a child of a task scope": async (call) => {
    await using scope = new TaskScope();
    return await scope.spawn(call);
  },
  "work of a worker pool": (call) => pool.run(call),
};

for (const [what, start] of Object.entries(children))
  test(`a call that a handler makes from ${what} carries the context of the handler's own`, async (t) => {
    const inner = await startTested(t);
    const outer = await startTested(t, {
      echo: async () => {
        await start(() => inner.client.echo({}));
        return {};
      },
    });
    const context = createContext({
      requestId: "one-request",
      priority: "critical",
      baggage: new Map([["tenant", "ada"]]),
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      idempotencyKey: "once",
      deadline: Date.now() + 3_000,
    });
    await runWithContext(context, () => outer.client.echo({}));

    const [called] = outer.entered;
    const [seen] = inner.entered;
    assert.ok(called !== undefined && seen !== undefined);
    for (const name of ["requestId", "priority", "baggage", "traceparent", "idempotencyKey"] as const)
      assert.deepEqual([name, seen[name]], [name, context[name]]);
    // gRPC sends how much time is left, so that what the way takes, on a busy machine, comes on top; the method's own timeout
    // is longer by far.
    assert.ok(seen.deadline <= context.deadline + 1_500, "deadlines");
  });
