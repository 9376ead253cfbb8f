import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { credentials, Client as GrpcClient, type ServiceError } from "@grpc/grpc-js";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { AppError, randomFrom } from "@shoal/kernel";
import { startTested } from "../hardening/tested-server.ts";
import type { MethodPolicy } from "../policy.ts";
import { type Client, type ClientOptions, createClient } from "./client.ts";

const path = "/shoal.echo.v1.EchoService/EchoAgain";
const offered = 1_000;

/** Short pauses, and no breaker: what is to be seen is what attempts do by themselves. */
const quick: Partial<MethodPolicy> = {
  retry: { maxAttempts: 4, initialBackoffMs: 2, maxBackoffMs: 10, backoffMultiplier: 2, codes: ["UNAVAILABLE"] },
  breaker: undefined,
  timeoutMs: 60_000,
};

function broken(): AppError {
  return new AppError({ kind: "unavailable", reason: "BROKEN", domain: "test", message: "it is broken" });
}

function clientTo(t: TestContext, port: number, options: Partial<ClientOptions>): Client<typeof EchoService> {
  const client = createClient(EchoService, { address: `127.0.0.1:${port}`, ...options });
  t.after(() => client[Symbol.dispose]());
  return client;
}

interface Hops {
  readonly client: Client<typeof EchoService>;
  /** How many calls each service has got, the innermost last. */
  readonly calls: number[];
}

/** Three services, each calling the next one; the innermost does `work`. Every client tries again. */
async function startHops(
  t: TestContext,
  work: () => void,
  { policy = quick, wrap = (error: unknown) => error } = {},
): Promise<Hops> {
  const calls = [0, 0, 0];
  const policies = { [path]: policy };
  let next: Client<typeof EchoService> | undefined;
  for (const hop of [2, 1, 0]) {
    const callee = next;
    const { port } = await startTested(t, {
      echoAgain: async () => {
        calls[hop] = (calls[hop] ?? 0) + 1;
        if (callee === undefined) work();
        else
          await callee.echoAgain({}).catch((error) => {
            throw wrap(error);
          });
        return {};
      },
    });
    next = clientTo(t, port, { policies });
  }
  assert.ok(next);
  return { client: next, calls };
}

/** Makes all calls, 50 at a time; answers the share that succeeds. */
async function offer({ client }: Hops): Promise<number> {
  let begun = 0;
  let succeeded = 0;
  const caller = async () => {
    while (begun < offered) {
      begun += 1;
      await client.echoAgain({}).then(
        () => {
          succeeded += 1;
        },
        (error) => assert.ok(error instanceof AppError && error.kind === "unavailable", String(error)),
      );
    }
  };
  await Promise.all(Array.from({ length: 50 }, caller));
  return succeeded / offered;
}

/** Fails such a share of the calls. */
function failing(share: number, seed: number): () => void {
  const random = randomFrom(seed);
  return () => {
    if (random() < share) throw broken();
  };
}

function requireFewCalls(t: TestContext, { calls }: Hops, succeeded: number): void {
  t.diagnostic(`offered ${offered}, calls at each hop ${calls.join(", ")}, succeeded ${succeeded}`);
  for (const count of calls) assert.ok(count <= 1.2 * offered, `${count} calls`);
}

for (const share of [1, 0.5, 0.3])
  test(`of three hops none gets more than 1.2 times the calls when the last one fails ${share * 100} % of them`, async (t) => {
    const hops = await startHops(t, failing(share, 7));
    requireFewCalls(t, hops, await offer(hops));
  });

test("with breakers hardly any call reaches a service that fails them all", async (t) => {
  const policy: Partial<MethodPolicy> = { ...quick, breaker: { kind: "circuit", options: { openMs: 60_000 } } };
  const hops = await startHops(t, failing(1, 7), { policy });
  requireFewCalls(t, hops, await offer(hops));
  // The 50 that may be under way at once when the breaker opens, and those before.
  for (const count of hops.calls) assert.ok(count <= 200, `${count} calls`);
});

test("calls of which a tenth fails nearly all succeed, thanks to their further attempts", async (t) => {
  const without = await offer(await startHops(t, failing(0.1, 3), { policy: { ...quick, retry: undefined } }));
  const hops = await startHops(t, failing(0.1, 3));
  const withRetries = await offer(hops);
  requireFewCalls(t, hops, withRetries);
  t.diagnostic(`succeeded without further attempts ${without}, with them ${withRetries}`);
  assert.ok(without < 0.93, `${without}`);
  assert.ok(withRetries > 0.99, `${withRetries}`);
});

test("the client next to the trouble makes all the attempts, and those further up one each", async (t) => {
  const hops = await startHops(t, failing(1, 1));
  await assert.rejects(hops.client.echoAgain({}), /it is broken/);
  assert.deepEqual(hops.calls, [1, 1, 4]);
});

test("so it is where services make errors of their own of what they fail with", async (t) => {
  const wrap = (cause: unknown) =>
    new AppError({ kind: "unavailable", reason: "OTHER", domain: "test", message: "a part is away", cause });
  const hops = await startHops(t, failing(1, 1), { wrap });
  await assert.rejects(hops.client.echoAgain({}), /a part is away/);
  assert.deepEqual(hops.calls, [1, 1, 4]);
});

test("trouble of a service's own is tried again by its own callers only", async (t) => {
  let failures = 0;
  const hops = await startHops(t, () => {}, {});
  const { port } = await startTested(t, {
    echoAgain: async () => {
      failures += 1;
      if (failures <= 2) throw broken();
      return await hops.client.echoAgain({});
    },
  });
  const client = clientTo(t, port, { policies: { [path]: quick } });
  await client.echoAgain({});
  assert.equal(failures, 3);
  assert.deepEqual(hops.calls, [1, 1, 1]);
});

test("what a breaker holds back is not tried again further up, and its caller is told when to come again", async (t) => {
  const policy: Partial<MethodPolicy> = {
    ...quick,
    breaker: { kind: "circuit", options: { minimumCalls: 1, openMs: 60_000 } },
  };
  const hops = await startHops(t, failing(1, 1), { policy });
  await assert.rejects(hops.client.echoAgain({}));
  const calls = [...hops.calls];
  assert.equal(calls[2], 1);
  await assert.rejects(hops.client.echoAgain({}), (error) => {
    assert.ok(error instanceof AppError);
    assert.equal(error.kind, "unavailable");
    assert.equal(error.reason, "CIRCUIT_OPEN");
    assert.ok((error.retryAfterMs ?? 0) > 30_000, String(error.retryAfterMs));
    return true;
  });
  assert.equal(hops.calls[2], 1);
});

test("gRPC clients that are not ours obey as well", async (t) => {
  const hops = await startHops(t, failing(1, 1));
  const front = await startTested(t, { echoAgain: async () => await hops.client.echoAgain({}) });
  const methodConfig = [
    {
      name: [{ service: "shoal.echo.v1.EchoService" }],
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: "0.01s",
        maxBackoff: "0.01s",
        backoffMultiplier: 1,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ];
  const plain = new GrpcClient(`127.0.0.1:${front.port}`, credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ methodConfig }),
  });
  t.after(() => plain.close());
  const asIs = (bytes: Buffer) => bytes;
  const error = await new Promise<ServiceError | null>((resolve) => {
    plain.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), resolve);
  });
  assert.deepEqual(error?.metadata.get("grpc-retry-pushback-ms"), ["-1"]);
  assert.equal(front.entered.length, 1);
  assert.deepEqual(hops.calls, [1, 1, 4]);
});
