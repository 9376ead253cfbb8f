import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@shoal/contracts/grpc/health/v1/health";
import { createContext, type Priority, runWithContext } from "@shoal/kernel";
import { LoadShedder } from "@shoal/resilience";
import { until, VirtualClock } from "@shoal/testkit";
import { createClient } from "../client/client.ts";
import { startTested } from "../hardening/tested-server.ts";

const overloaded = { kind: "exhausted", reason: "OVERLOADED", retryAfterMs: 250 };

/** How long calls may wait, in milliseconds of the server's virtual clock. */
const patienceMs = 100;

/** A server with room for one call at a time, whose handlers end when they are told to. */
async function start(t: TestContext, listener = () => {}) {
  const clock = new VirtualClock();
  const shedder = new LoadShedder({ initialLimit: 1, minLimit: 1, maxLimit: 1, patienceMs, hurriedMs: 20 }, clock);
  const refused: string[] = [];
  /** The priorities of those that were refused after a wait. */
  const waited: string[] = [];
  const entered: (() => void)[] = [];
  const hold = () => new Promise<void>((resolve) => entered.push(resolve));
  const tested = await startTested(
    t,
    {
      echo: async () => {
        await hold();
        return {};
      },
    },
    {
      shedder,
      onRefused: ({ path, priority, byHeaders }) => {
        if (!byHeaders) waited.push(priority);
        else refused.push(`${path} ${priority}`);
        listener();
      },
    },
  );
  const call = (priority: Priority, name = "") =>
    runWithContext(createContext({ requestId: "test", priority }), () => tested.client.echo({ parcel: { name } }));
  const first = call("default");
  await until("the first call is at work", () => entered.length === 1);
  /** Has the next call wait for too long, after which others are refused sooner. */
  const overload = async () => {
    const late = assert.rejects(call("default"), overloaded);
    await until("one waits", () => shedder.waiting === 1);
    await clock.advance(patienceMs);
    await late;
  };
  return { ...tested, clock, shedder, refused, waited, entered, call, first, overload };
}

test("what there is no room for is refused, after a while by its headers alone, and critical calls get their turn", async (t) => {
  const { call, entered, refused, waited, ends, shedder, port, first, overload } = await start(t);
  await overload();
  assert.deepEqual(refused, []);
  assert.deepEqual(waited, ["default"]);

  const critical = call("critical");
  const waits = call("default");
  await until("two wait", () => shedder.waiting === 2);
  await assert.rejects(call("default"), overloaded);
  await assert.rejects(call("sheddable"), overloaded);
  assert.deepEqual(refused, ["/shoal.echo.v1.EchoService/Echo default", "/shoal.echo.v1.EchoService/Echo sheddable"]);
  using health = createClient(Health, { address: `127.0.0.1:${port}` });
  assert.equal((await health.check({})).status, Status.SERVING);

  entered[0]?.();
  await first;
  await until("the critical call is at work", () => entered.length === 2);
  assert.equal(shedder.waiting, 1);
  entered[1]?.();
  await critical;
  await until("the default call is at work", () => entered.length === 3);
  entered[2]?.();
  await waits;
  const codes = ends.filter(({ path }) => path === "/shoal.echo.v1.EchoService/Echo").map(({ code }) => code);
  assert.deepEqual(codes.sort(), ["OK", "OK", "OK", "RESOURCE_EXHAUSTED"]);
  assert.equal(shedder.atWork, 0);
});

test("the rest of a request that is refused by its headers is dropped, and its connection goes on", async (t) => {
  const { call, entered, refused, shedder, clock, first, overload } = await start(t);
  await overload();
  const late = assert.rejects(call("default"), overloaded);
  await until("one waits", () => shedder.waiting === 1);
  const large = "x".repeat(3 * 1024 * 1024);
  await Promise.all(Array.from({ length: 20 }, () => assert.rejects(call("sheddable", large), overloaded)));
  assert.equal(refused.length, 20);
  await clock.advance(patienceMs);
  await late;
  entered[0]?.();
  await first;
});

test("a call whose caller goes while it waits never begins", async (t) => {
  const { client, call, entered, shedder, first } = await start(t);
  const gone = new AbortController();
  const waits = assert.rejects(client.echo({}, { signal: gone.signal }), { kind: "cancelled" });
  await until("one waits", () => shedder.waiting === 1);
  gone.abort();
  await waits;
  await until("nobody waits", () => shedder.waiting === 0);
  entered[0]?.();
  await first;
  const next = call("default");
  await until("the next call is at work", () => entered.length === 2);
  entered[1]?.();
  await next;
  assert.equal(shedder.atWork, 0);
});

test("a listener that throws at a refusal becomes a warning, and ends neither the call otherwise nor the process", async (t) => {
  const warned = once(process, "warning");
  const { call, entered, clock, shedder, first, overload } = await start(t, () => {
    throw new Error("a fault in a log");
  });
  await overload();
  const late = assert.rejects(call("default"), overloaded);
  await until("one waits", () => shedder.waiting === 1);
  await assert.rejects(call("sheddable"), overloaded);
  const [warning] = await warned;
  assert.equal(warning.message, "a fault in a log");
  await clock.advance(patienceMs);
  await late;
  entered[0]?.();
  await first;
});
