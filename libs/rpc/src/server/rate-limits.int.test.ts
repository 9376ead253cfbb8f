import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { isAppError } from "@shoal/kernel";
import { LoadShedder } from "@shoal/resilience";
import { until } from "@shoal/testkit";
import { createClient } from "../client/client.ts";
import { startTested } from "../hardening/tested-server.ts";
import { LivePolicies } from "../live-policies.ts";
import type { PolicyOverrides, RateLimitPolicy } from "../policy.ts";

const echo = "/shoal.echo.v1.EchoService/Echo";
/** So few that none comes back while a test runs. */
const slowly = 0.001;
const limit = (more: Partial<RateLimitPolicy> = {}): PolicyOverrides => ({
  [echo]: {
    rateLimits: [{ callsPerSecond: slowly, burst: 3, key: "everybody", algorithm: "token_bucket", ...more }],
  },
});

async function start(t: TestContext, policies: PolicyOverrides | LivePolicies) {
  const { client, port } = await startTested(
    t,
    {},
    {
      policies,
      identify: ({ requestMetadata }) => {
        const [subject] = requestMetadata.get("user");
        return subject === undefined ? undefined : { subject: String(subject), scopes: new Set<string>() };
      },
    },
  );
  /** How many of `count` calls in turn were let through; the others must say when to come again. */
  const passed = async (count: number, user?: string, caller = client) => {
    const metadata = new Metadata();
    if (user !== undefined) metadata.set("user", user);
    let through = 0;
    for (let n = 0; n < count; n += 1)
      try {
        await caller.echo({}, { metadata });
        through += 1;
      } catch (error) {
        assert.ok(isAppError(error, "RATE_LIMITED"), String(error));
        assert.ok((error.retryAfterMs ?? 0) > 0);
      }
    return through;
  };
  return { client, port, passed };
}

for (const algorithm of ["token_bucket", "sliding_window"] as const) {
  test(`${algorithm}: what is above the limit is refused, and told when to come again`, async (t) => {
    const { passed, client } = await start(t, limit({ algorithm }));
    assert.equal(await passed(5), 3);
    await client.echoAgain({});
  });

  test(`${algorithm}: each caller has a limit of its own, and who is not known has that of its address`, async (t) => {
    const { passed, port } = await start(t, limit({ algorithm, key: "caller" }));
    assert.equal(await passed(5, "ada"), 3);
    assert.equal(await passed(2, "grace"), 2);
    assert.equal(await passed(2), 2);
    using other = createClient(EchoService, { address: `127.0.0.1:${port}` });
    assert.equal(await passed(5, undefined, other), 1);
    assert.equal(await passed(1, "127.0.0.1"), 1);
  });
}

test("calls of one address are counted together, on whatever connection they come", async (t) => {
  const { passed, port } = await start(t, limit({ key: "address" }));
  assert.equal(await passed(2, "ada"), 2);
  using other = createClient(EchoService, { address: `127.0.0.1:${port}` });
  assert.equal(await passed(5, "grace", other), 1);
});

test("a leaky bucket lets calls wait for their turn, and refuses those that it could only let in too late", async (t) => {
  const { client } = await start(t, limit({ algorithm: "leaky_bucket", callsPerSecond: 2, burst: 2 }));
  const startedAt = performance.now();
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => client.echo({})));
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 3);
  assert.ok(performance.now() - startedAt >= 950, "the last of three begins two turns after the first");
  const first = client.echo({});
  await assert.rejects(client.echo({}, { timeoutMs: 5 }), (error) => isAppError(error));
  await first;
});

test("methods that were given the very same limits are counted each by itself", async (t) => {
  const { [echo]: policy = {} } = limit();
  const { passed, client } = await start(t, { [echo]: policy, "/shoal.echo.v1.EchoService/EchoAgain": policy });
  assert.equal(await passed(4), 3);
  await client.echoAgain({});
});

test("calls that wait for their turn take no places from those of other methods", async (t) => {
  const shedder = new LoadShedder({ initialLimit: 2, minLimit: 2, maxLimit: 2 });
  const policies = limit({ algorithm: "leaky_bucket", callsPerSecond: 1, burst: 100 });
  const { client } = await startTested(t, {}, { policies, shedder });
  const left = new AbortController();
  const paced = Array.from({ length: 20 }, () => client.echo({}, { signal: left.signal }));
  const ends = Promise.allSettled(paced);
  await paced[0];
  for (let n = 0; n < 20; n += 1) await client.echoAgain({});
  left.abort();
  assert.ok((await ends).every(({ status }, n) => n === 0 || status === "rejected"));
  await until("nobody is at work", () => shedder.atWork === 0 && shedder.waiting === 0);
});

test("several limits hold together", async (t) => {
  const { passed } = await start(t, {
    [echo]: {
      rateLimits: [
        { callsPerSecond: slowly, burst: 2, key: "caller", algorithm: "token_bucket" },
        { callsPerSecond: slowly, burst: 5, key: "everybody", algorithm: "token_bucket" },
      ],
    },
  });
  assert.deepEqual([await passed(3, "a"), await passed(3, "b"), await passed(3, "c")], [2, 2, 1]);
});

test("a caller over its own limit takes nothing of everybody's, in whatever order the limits stand", async (t) => {
  for (const algorithm of ["token_bucket", "leaky_bucket"] as const) {
    const { passed } = await start(t, {
      [echo]: {
        rateLimits: [
          { callsPerSecond: slowly, burst: 4, key: "everybody", algorithm: "token_bucket" },
          { callsPerSecond: slowly, burst: 3, key: "address", algorithm: "sliding_window" },
          { callsPerSecond: slowly, burst: 1, key: "caller", algorithm },
        ],
      },
    });
    assert.equal(await passed(10, "greedy"), 1);
    assert.deepEqual([await passed(1, "a"), await passed(1, "b"), await passed(1, "c")], [1, 1, 0]);
  }
});

test("limits change while the server runs; what else changes leaves their counts as they are", async (t) => {
  const policies = new LivePolicies(limit());
  const { passed } = await start(t, policies);
  assert.equal(await passed(5), 3);
  policies.replace({ [echo]: { ...limit()[echo], timeoutMs: 1_000 } });
  assert.equal(await passed(2), 0);
  policies.replace(limit({ burst: 10 }));
  assert.equal(await passed(12), 10);
  policies.replace({});
  assert.equal(await passed(20), 20);
});

test("limits that cannot be kept to are refused when they are set, by the names of the method and the field", async (t) => {
  const policies = new LivePolicies(limit());
  const { passed } = await start(t, policies);
  const wrong: readonly (readonly [Partial<RateLimitPolicy>, string])[] = [
    [{ callsPerSecond: 0 }, "callsPerSecond must be a number above 0 to 1000000, not 0"],
    [{ callsPerSecond: Number.NaN }, "callsPerSecond must be"],
    [{ burst: 0 }, "burst must be"],
    [{ burst: 1.5, algorithm: "leaky_bucket" }, "burst must be"],
    [{ callsPerSecond: 1e-15, algorithm: "sliding_window" }, "windowMs must be"],
    [{ key: "planet" as "caller" }, "key must be"],
    [{ algorithm: "fortune" as "token_bucket" }, "algorithm must be"],
  ];
  for (const [more, why] of wrong) {
    const message = new RegExp(`the rate limits of ${echo}: ${why}`);
    assert.throws(() => policies.replace(limit(more)), message);
    await assert.rejects(startTested(t, {}, { policies: limit(more) }), message);
  }
  assert.equal(await passed(5), 3);
});

test("a server refuses policies that it could only keep to after a restart", async (t) => {
  const policies = new LivePolicies();
  await start(t, policies);
  assert.throws(
    () => policies.replace({ [echo]: { maxRequestBytes: 2 ** 25 } }),
    /Echo: maxRequestBytes cannot be raised above 4194304 while it runs; restart it for that/,
  );
});
