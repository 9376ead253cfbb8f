import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { defaultEjectionOptions } from "@shoal/discovery";
import { AppError, createContext, type ErrorKind, isAppError, type Priority, runWithContext } from "@shoal/kernel";
import { eventually, startTested, type TestedServer } from "../hardening/tested-server.ts";
import { LivePolicies } from "../live-policies.ts";
import type { BreakerPolicy, PolicyOverrides } from "../policy.ts";
import { type Client, type ClientOptions, createClient } from "./client.ts";
import type { ResilienceEvent } from "./resilience-events.ts";

type Echo = Client<typeof EchoService>;

const echo = "/shoal.echo.v1.EchoService/Echo";
const parcel = { name: "parcel" };
const long = 60_000;

/** Opens after 5 calls of which half have failed. */
function opening(openMs: number): PolicyOverrides {
  return { [echo]: { breaker: { kind: "circuit", options: { minimumCalls: 5, openMs, probes: 1 } } } };
}

/** A server whose Echo fails for as long as it is broken; EchoAgain is well. */
async function startBreakable(t: TestContext, kind: ErrorKind = "unavailable") {
  const state = { broken: true };
  const server = await startTested(t, {
    echo: async () => {
      if (state.broken) throw new AppError({ kind, reason: "BROKEN", domain: "test", message: "it is broken" });
      return { parcel };
    },
  });
  return { server, state, count: () => server.entered.length };
}

function clientOf(t: TestContext, servers: readonly TestedServer[], options: Partial<ClientOptions>): Echo {
  const address = `ipv4:${servers.map(({ port }) => `127.0.0.1:${port}`).join()}`;
  const client = createClient(EchoService, { address, ...options });
  t.after(() => client[Symbol.dispose]());
  return client;
}

/** What a call fails with, or `undefined`. */
function failureOf(call: Promise<unknown>): Promise<AppError | undefined> {
  return call.then(
    () => undefined,
    (error) => {
      assert.ok(error instanceof AppError, String(error));
      return error;
    },
  );
}

const isOpen = (error: AppError | undefined) => isAppError(error, "CIRCUIT_OPEN");

/** Calls until the breaker has opened. */
async function untilOpen(client: Echo): Promise<void> {
  for (let calls = 0; !isOpen(await failureOf(client.echo({}))); calls += 1) assert.ok(calls < 100);
}

for (const balancing of ["pick_first", "p2c_ewma"] as const) {
  test(`${balancing}: an open breaker refuses at once, says when to come again, and knows nothing of other methods`, async (t) => {
    const { server, count } = await startBreakable(t);
    const client = clientOf(t, [server], { balancing, policies: opening(long) });
    for (let n = 0; n < 5; n += 1) assert.ok(isAppError(await failureOf(client.echo({})), "BROKEN"));
    const refused = await failureOf(client.echo({}));
    assert.ok(isOpen(refused) && refused !== undefined);
    assert.equal(refused.kind, "unavailable");
    assert.ok((refused.retryAfterMs ?? 0) > long / 2 && (refused.retryAfterMs ?? 0) <= long);
    // All at once: nobody waits.
    const failures = await Promise.all(Array.from({ length: 1_000 }, () => failureOf(client.echo({}))));
    assert.ok(failures.every(isOpen));
    assert.equal(count(), 5);
    await client.echoAgain({});
  });

  test(`${balancing}: a breaker lets calls through again once its probes succeed, and tells of each change`, async (t) => {
    const events: ResilienceEvent[] = [];
    const { server, state } = await startBreakable(t);
    const onResilienceEvent = (event: ResilienceEvent) => events.push(event);
    const client = clientOf(t, [server], { balancing, policies: opening(50), onResilienceEvent });
    await untilOpen(client);
    state.broken = false;
    while ((await failureOf(client.echo({}))) !== undefined) await sleep(10);
    for (let n = 0; n < 20; n += 1) await client.echo({});
    const changes = events.filter((event) => event.type === "breaker");
    assert.deepEqual(
      changes.map(({ from, to, why }) => `${from} to ${to}: ${why}`),
      ["closed to open: failures", "open to half-open: waited", "half-open to closed: probes-succeeded"],
    );
    for (const { path, instance } of changes) {
      assert.equal(path, echo);
      assert.match(instance, new RegExp(`127.0.0.1:${server.port}$`));
    }
    assert.ok(events.some((event) => event.type === "refused" && event.by === "breaker" && event.path === echo));
  });

  const callerFaults: readonly ErrorKind[] = ["invalid", "missing", "precondition", "stale", "forbidden", "exhausted"];
  for (const kind of callerFaults)
    test(`${balancing}: calls that fail as ${kind} do not open a breaker`, async (t) => {
      const { server, count } = await startBreakable(t, kind);
      const client = clientOf(t, [server], { balancing, policies: opening(long) });
      for (let n = 0; n < 30; n += 1) assert.equal((await failureOf(client.echo({})))?.kind, kind);
      assert.equal(count(), 30);
    });

  test(`${balancing}: calls that their callers cancel do not open a breaker`, async (t) => {
    const server = await startTested(t, { echo: () => new Promise<never>(() => {}) });
    const client = clientOf(t, [server], { balancing, policies: opening(long) });
    for (let n = 0; n < 30; n += 1) {
      const controller = new AbortController();
      const failure = failureOf(client.echo({}, { signal: controller.signal }));
      await eventually(() => server.entered.length > n);
      controller.abort();
      assert.equal((await failure)?.kind, "cancelled");
    }
  });

  test(`${balancing}: calls that are not answered in time open it`, async (t) => {
    const server = await startTested(t, { echo: () => new Promise<never>(() => {}) });
    const client = clientOf(t, [server], { balancing, policies: opening(long) });
    // Over a connection that stands: calls that wait for one say nothing of the instance.
    await client.echoAgain({});
    const failures = await Promise.all(Array.from({ length: 5 }, () => failureOf(client.echo({}, { timeoutMs: 500 }))));
    assert.deepEqual(new Set(failures.map((failure) => failure?.kind)), new Set(["timeout"]));
    assert.ok(isOpen(await failureOf(client.echo({}))));
  });

  test(`${balancing}: streams that fail open it`, async (t) => {
    const server = await startTested(t, {
      // biome-ignore lint/correctness/useYield: it fails before its first answer
      repeat: async function* () {
        throw new AppError({ kind: "unavailable", reason: "BROKEN", domain: "test", message: "it is broken" });
      },
    });
    const { [echo]: policy = {} } = opening(long);
    const policies = { "/shoal.echo.v1.EchoService/Repeat": policy };
    const client = clientOf(t, [server], { balancing, policies });
    const stream = async () => {
      for await (const _ of client.repeat({ count: 1n }));
    };
    for (let n = 0; n < 5; n += 1) assert.ok(isAppError(await failureOf(stream()), "BROKEN"));
    assert.ok(isOpen(await failureOf(stream())));
  });

  test(`${balancing}: streams that last are probes that have succeeded once their headers are there`, async (t) => {
    const state = { broken: true };
    const server = await startTested(t, {
      repeat: async function* (_, { signal }) {
        if (state.broken)
          throw new AppError({ kind: "unavailable", reason: "BROKEN", domain: "test", message: "it is broken" });
        yield {};
        await sleep(60_000, undefined, { signal });
      },
    });
    const { [echo]: policy = {} } = opening(50);
    const client = clientOf(t, [server], { balancing, policies: { "/shoal.echo.v1.EchoService/Repeat": policy } });
    const left = new AbortController();
    const begin = () => failureOf(client.repeat({ count: 1n }, { signal: left.signal }).next());
    while (!isOpen(await begin()));
    state.broken = false;
    await sleep(60);
    for (let n = 0; n < 20; n += 1) assert.equal(await begin(), undefined);
    left.abort();
  });

  test(`${balancing}: no permit is lost, however calls end and whenever they are cancelled`, async (t) => {
    let entered = 0;
    const server = await startTested(t, {
      echo: async (_, { signal }) => {
        entered += 1;
        if (entered % 3 === 0)
          throw new AppError({ kind: "unavailable", reason: "BROKEN", domain: "test", message: "it is broken" });
        await sleep(entered % 5, undefined, { signal });
        return { parcel };
      },
    });
    // One probe at a time, which nothing but its end gives back: a single one that was lost would close the method for good.
    const options = { minimumCalls: 2, failureRate: 0.2, openMs: 1, probes: 1, probeTimeoutMs: 3_600_000 };
    const policies = { [echo]: { breaker: { kind: "circuit", options } as const } };
    const client = clientOf(t, [server], { balancing, policies });
    const kinds = new Set<string | undefined>();
    const one = async (n: number) => {
      const controller = new AbortController();
      const failure = failureOf(client.echo({}, { signal: controller.signal, timeoutMs: n % 7 === 0 ? 2 : 5_000 }));
      if (n % 2 === 0) setTimeout(() => controller.abort(), n % 6);
      else if (n % 5 === 0) controller.abort();
      kinds.add((await failure)?.reason);
    };
    for (let n = 0; n < 3_000; n += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, index) => one(n + index)));
      // Longer than it is open: else all calls but a few would be refused.
      await sleep(2);
    }
    for (const reason of ["BROKEN", "CIRCUIT_OPEN", "CANCELLED", undefined]) assert.ok(kinds.has(reason), `${reason}`);
    const before = server.entered.length;
    while (server.entered.length < before + 50) {
      await failureOf(client.echo({}));
      await sleep(1);
    }
  });

  test(`${balancing}: a probe that is cancelled between any two steps of its beginning gives its permit back`, async (t) => {
    const { server, state } = await startBreakable(t);
    const options = { minimumCalls: 1, openMs: 1, probes: 1, probeTimeoutMs: 3_600_000 };
    const policies = { [echo]: { breaker: { kind: "circuit", options } as const } };
    const client = clientOf(t, [server], { balancing, policies });
    for (let turns = 0; turns < 30; turns += 1) {
      state.broken = true;
      while (!isOpen(await failureOf(client.echo({}))));
      await sleep(3);
      const controller = new AbortController();
      const probe = failureOf(client.echo({}, { signal: controller.signal }));
      for (let turn = 0; turn < turns; turn += 1) await undefined;
      controller.abort();
      assert.equal((await probe)?.kind, "cancelled");
      state.broken = false;
      while ((await failureOf(client.echo({}))) !== undefined) await sleep(1);
    }
  });

  test(`${balancing}: a policy that changes is kept to from the next call on`, async (t) => {
    const { server } = await startBreakable(t);
    const policies = new LivePolicies(opening(long));
    const client = clientOf(t, [server], { balancing, policies });
    await untilOpen(client);
    policies.replace({ [echo]: { breaker: undefined } });
    for (let n = 0; n < 20; n += 1) assert.ok(isAppError(await failureOf(client.echo({})), "BROKEN"));
    policies.replace(opening(long));
    await untilOpen(client);
    const unusable: BreakerPolicy = { kind: "circuit", options: { failureRate: 2 } };
    assert.throws(
      () => policies.replace({ [echo]: { breaker: unusable } }),
      /the breaker of .*\/Echo cannot be made: failureRate/,
    );
    assert.ok(isOpen(await failureOf(client.echo({}))));
  });

  test(`${balancing}: an adaptive throttle holds back what is sheddable, while what is critical gets through`, async (t) => {
    const server = await startTested(t, {
      echo: async (_, { priority }) => {
        if (priority === "critical") return { parcel };
        throw new AppError({ kind: "exhausted", reason: "FULL", domain: "test", message: "too much to do" });
      },
    });
    const policies = { [echo]: { breaker: { kind: "throttle", options: {} } as const } };
    const client = clientOf(t, [server], { balancing, policies });
    const call = (priority: Priority) =>
      failureOf(runWithContext(createContext({ requestId: "test", priority }), () => client.echo({})));
    const reasons: (string | undefined)[] = [];
    for (let n = 0; n < 200; n += 1) reasons.push((await call("sheddable"))?.reason);
    // 20 calls in any case, and then fewer and fewer.
    const sent = server.entered.length;
    assert.ok(sent >= 20 && sent < 120, `${sent} calls`);
    assert.equal(reasons.filter((reason) => reason === "THROTTLED").length, 200 - sent);
    for (let n = 0; n < 50; n += 1) assert.equal(await call("critical"), undefined);
  });
}

test("an instance whose breaker is open is passed over for that method, and gets the calls of others", async (t) => {
  const [bad, good] = [await startBreakable(t), await startBreakable(t)];
  good.state.broken = false;
  const balancing = { policy: "round_robin", ejection: false } as const;
  const client = clientOf(t, [bad.server, good.server], { balancing, policies: opening(long) });
  while (bad.count() < 5) await failureOf(client.echo({}));
  const [before, wellBefore] = [bad.count(), good.count()];
  for (let n = 0; n < 100; n += 1) await client.echo({});
  assert.equal(bad.count(), before);
  assert.equal(good.count(), wellBefore + 100);
  for (let n = 0; n < 20; n += 1) await client.echoAgain({});
  assert.ok(bad.count() > before);
});

test("when all instances refuse, calls fail at once, and no instance hears of them", async (t) => {
  const servers = await Promise.all([startBreakable(t), startBreakable(t), startBreakable(t)]);
  const client = clientOf(
    t,
    servers.map(({ server }) => server),
    { balancing: "p2c_ewma", policies: opening(long) },
  );
  // Connections are made one after the other.
  while (!servers.every(({ count }) => count() >= 5)) await failureOf(client.echo({}));
  await untilOpen(client);
  const before = servers.map(({ count }) => count());
  for (let n = 0; n < 50; n += 1) assert.ok(isOpen(await failureOf(client.echo({}))));
  assert.deepEqual(
    servers.map(({ count }) => count()),
    before,
  );
});

test("an instance that was ejected and open gets calls again once it is well; both are told", async (t) => {
  const [bad, good] = [await startBreakable(t), await startBreakable(t)];
  good.state.broken = false;
  const ejection = { ...defaultEjectionOptions, baseMs: 100, maxMs: 200, probeSuccesses: 2 };
  const balancing = { policy: "round_robin", ejection } as const;
  // Opens after the ejection, by the probes that fail.
  const options = { window: { kind: "count", calls: 20 }, minimumCalls: 20, openMs: 100 } as const;
  const policies = { [echo]: { breaker: { kind: "circuit", options } as const } };
  const events: ResilienceEvent[] = [];
  const onResilienceEvent = (event: ResilienceEvent) => events.push(event);
  const client = clientOf(t, [bad.server, good.server], { balancing, policies, onResilienceEvent });
  const has = (what: string) =>
    events.some((event) =>
      event.type === "ejection" ? event.state === what : event.type === "breaker" && event.to === what,
    );
  while (!has("ejected") || !has("open")) await failureOf(client.echo({}));
  bad.state.broken = false;
  const before = bad.count();
  while (bad.count() < before + 50 || !has("restored") || !has("closed")) {
    await failureOf(client.echo({}));
    await sleep(1);
  }
  for (const event of events)
    if (event.type === "ejection") assert.match(event.instance, new RegExp(`127.0.0.1:${bad.server.port}$`));
});

test("an ejected instance that would answer is called when the breakers of all others are open", async (t) => {
  const [first, second] = [await startBreakable(t), await startBreakable(t)];
  second.state.broken = false;
  // Ejected before its breaker would open, and for longer than the test lasts.
  const ejection = { ...defaultEjectionOptions, baseMs: 600_000, maxMs: 600_000 };
  const balancing = { policy: "round_robin", ejection } as const;
  const options = { window: { kind: "count", calls: 20 }, minimumCalls: 20, openMs: long } as const;
  const policies = { [echo]: { breaker: { kind: "circuit", options } as const } };
  const client = clientOf(t, [first.server, second.server], { balancing, policies });
  for (let well = 0; well < 50; ) well = (await failureOf(client.echo({}))) === undefined ? well + 1 : 0;
  first.state.broken = false;
  const before = first.count();
  assert.ok(before > 0 && before < 20, `${before} calls`);
  second.state.broken = true;
  for (let well = 0; well < 20; ) well = (await failureOf(client.echo({}))) === undefined ? well + 1 : 0;
  assert.ok(first.count() >= before + 20);
});

test("a call that waits for room on the one instance whose breaker lets it through holds no other call up", async (t) => {
  const left = new AbortController();
  const hang = () => new Promise<never>(() => {});
  const full = await startTested(t, { collect: hang }, { maxStreamsPerConnection: 1 });
  const bad = await startBreakable(t);
  const balancing = { policy: "round_robin", maxConnections: 1, ejection: false } as const;
  const client = clientOf(t, [full, bad.server], { balancing, policies: opening(long) });
  while (bad.count() < 5) await failureOf(client.echo({}));
  const hanging: Promise<unknown>[] = [];
  while (full.entered.every(({ method }) => method.name !== "Collect")) {
    // biome-ignore lint/correctness/useYield: it never sends anything
    const requests = (async function* () {
      await hang();
    })();
    hanging.push(failureOf(client.collect(requests, { signal: left.signal })));
    await sleep(20);
  }
  const waits = failureOf(client.echo({}, { timeoutMs: 2_000 }));
  await sleep(50);
  for (let n = 0; n < 20; n += 1) await client.echoAgain({}, { timeoutMs: 1_000 });
  left.abort();
  await Promise.all(hanging);
  await waits;
});
