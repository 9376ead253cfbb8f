import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "@shoal/kernel";
import { startTcpProxy, until } from "@shoal/testkit";
import { clientOf } from "../hardening/raw-server.ts";
import { startTested } from "../hardening/tested-server.ts";
import type { ResilienceEvent } from "./resilience-events.ts";

const path = "/shoal.echo.v1.EchoService/EchoAgain";
const callers = 60;

/** An instance that can be cut off. It sends its headers before it works: a call may be lost after its first sign of life. */
async function startInstance(t: TestContext) {
  const server = await startTested(t, {
    echoAgain: async (_, context) => {
      context.responseHeaders.set("instance", "yes");
      context.sendHeaders();
      await sleep(10);
      return {};
    },
  });
  return { server, proxy: await startTcpProxy(t, `127.0.0.1:${server.port}`) };
}

for (const name of ["retried", "hedged"] as const)
  test(`instances that die under load cost no ${name} call, though answers had begun`, async (t) => {
    const instances = await Promise.all([startInstance(t), startInstance(t), startInstance(t)]);
    const hedging = { maxAttempts: 3, delayMs: 1_000, nonFatalCodes: ["UNAVAILABLE"] };
    const events: ResilienceEvent[] = [];
    let running = true;
    // Before the client is closed: calls that are refused at once, without a pause, would leave nobody else a turn.
    t.after(() => {
      running = false;
    });
    const client = clientOf(t, `ipv4:${instances.map(({ proxy }) => proxy.address).join()}`, {
      balancing: "p2c_ewma",
      ...(name === "hedged" && { policies: { [path]: { retry: undefined, hedging } } }),
      onResilienceEvent: (event) => events.push(event),
    });
    while (!instances.every(({ server }) => server.entered.length > 0)) await client.echo({});
    let succeeded = 0;
    const failures: string[] = [];
    const calling = Array.from({ length: callers }, async () => {
      while (running) {
        await client.echoAgain({}, { timeoutMs: 30_000 }).then(
          () => {
            succeeded += 1;
          },
          (error) => failures.push(error instanceof AppError ? error.reason : String(error)),
        );
      }
    });
    const reached = (count: number) => until(`${count} calls have succeeded`, () => succeeded >= count, 60_000);
    // Enough for the budget to be full again each time.
    for (const { proxy, server } of instances) {
      await reached(succeeded + 1_000);
      proxy.cut();
      await reached(succeeded + 500);
      const before = server.entered.length;
      proxy.mend();
      await until("the instance is called again", () => server.entered.length > before, 60_000);
    }
    running = false;
    await Promise.all(calling);
    assert.deepEqual(failures, []);
    const retries = events.filter(({ type }) => type === "retry").length;
    t.diagnostic(`${succeeded} calls succeeded, with ${retries} further attempts`);
    assert.ok(retries > 0);
  });
