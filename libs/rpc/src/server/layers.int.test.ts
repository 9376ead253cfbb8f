import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import { EchoService, GuardedEchoService } from "@shoal/contracts/echo/v1/echo_service";
import { AppError, createContext, currentContext, type Identity, isAppError, runWithContext } from "@shoal/kernel";
import { LoadShedder } from "@shoal/resilience";
import { type ClientMiddleware, type ClientOptions, createClient } from "../client/client.ts";
import { echoing, eventually } from "../hardening/tested-server.ts";
import { contextKey } from "../middleware.ts";
import { implement, type ServiceHandlers } from "./handlers.ts";
import type { CallEnd } from "./serve-call.ts";
import { createServer, type ServerOptions } from "./server.ts";
import { type ServerMiddleware, serverLayers } from "./server-layers.ts";

async function start(
  t: TestContext,
  options: Partial<ServerOptions> = {},
  handlers: Partial<ServiceHandlers<typeof EchoService>> = {},
  clientOptions: Partial<ClientOptions> = {},
) {
  const ends: CallEnd[] = [];
  const services = [implement(EchoService, { ...echoing, ...handlers })];
  const server = createServer({ services, errorDomain: "shoal.echo", onCallEnd: (end) => ends.push(end), ...options });
  const address = `127.0.0.1:${await server.listen({ host: "127.0.0.1", port: 0 })}`;
  const echo = createClient(EchoService, { address, ...clientOptions });
  const guarded = createClient(GuardedEchoService, { address });
  t.after(async () => {
    echo[Symbol.dispose]();
    guarded[Symbol.dispose]();
    await server.drain(0);
  });
  return { echo, guarded, ends };
}

const parcel = { name: "tea" };
const parcels = async function* (count: number) {
  for (let n = 0; n < count; n += 1) yield { parcel };
};
async function drain(stream: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of stream) count += 1;
  return count;
}

test("a server's layers stand in one order, and those with nothing to do are left out", () => {
  const layer: ServerMiddleware = (_, next) => next();
  const named: ServerMiddleware = async function audit(_, next) {
    await next();
  };
  const names = (options: Partial<ServerOptions>) =>
    serverLayers({ errorDomain: "shoal.echo", ...options }).map(({ name }) => name);
  assert.deepEqual(names({}), ["errors", "deadline", "validation"]);
  const all = {
    onCallEnd: () => {},
    telemetry: layer,
    maxRunningCalls: 1,
    identify: () => undefined,
    shedder: new LoadShedder(),
    admission: layer,
    middleware: [named, (...[, next]: Parameters<ServerMiddleware>) => next()],
  };
  assert.deepEqual(names(all), [
    "telemetry",
    "errors",
    "deadline",
    "capacity",
    "identity",
    "rate limits",
    "shedding",
    "admission",
    "audit",
    "middleware 2",
    "validation",
  ]);
});

for (const [kind, call] of [
  ["a unary call", async (echo) => void (await echo.echo({ parcel }))],
  ["a client stream", async (echo) => void (await echo.collect(parcels(3)))],
  ["a server stream", async (echo) => void (await drain(echo.repeat({ parcel, count: 3n })))],
  ["a bidirectional stream", async (echo) => void (await drain(echo.converse(parcels(3))))],
] as [string, (echo: Awaited<ReturnType<typeof start>>["echo"]) => Promise<void>][])
  test(`layers are around ${kind} from its begin to its end, on both sides`, async (t) => {
    const seen: string[] = [];
    const layer =
      (name: string): ServerMiddleware =>
      async (context, next) => {
        assert.equal(currentContext(), context);
        seen.push(`${name} in`);
        await next();
        seen.push(`${name} out`);
      };
    const clientLayer =
      (name: string): ClientMiddleware =>
      async ({ method }, next) => {
        seen.push(`${name} in`);
        await next();
        seen.push(`${name} out`);
        assert.equal(method.parent.name, "EchoService");
      };
    let messages = 0;
    const counting: ServerMiddleware = (context, next) => {
      context.onRequest(() => {
        messages += 1;
      });
      context.onResponse(() => {
        messages += 1;
      });
      return next();
    };
    const { echo } = await start(
      t,
      { telemetry: layer("telemetry"), admission: layer("admission"), middleware: [layer("first"), counting] },
      {},
      { middleware: [clientLayer("outer"), clientLayer("inner")] },
    );
    await call(echo);
    assert.deepEqual(seen, [
      ...["outer in", "inner in", "telemetry in", "admission in", "first in"],
      ...["first out", "admission out", "telemetry out", "inner out", "outer out"],
    ]);
    assert.equal(messages, { "a unary call": 2, "a client stream": 4, "a server stream": 4 }[kind] ?? 6);
  });

test("layers pass typed values on to each other and to the handler, and to no other call", async (t) => {
  const tenant = contextKey<{ readonly name: string }>("tenant");
  const { echo } = await start(
    t,
    {
      middleware: [
        (context, next) => {
          assert.equal(context.get(tenant), undefined);
          context.set(tenant, { name: String(context.requestMetadata.get("x-tenant")[0]) });
          return next();
        },
      ],
    },
    { echo: async (_, context) => ({ parcel: { name: context.get(tenant)?.name ?? "" } }) },
    {
      middleware: [
        async (context, next) => {
          context.requestMetadata.set("x-tenant", "acme");
          await next();
        },
      ],
    },
  );
  assert.equal((await echo.echo({})).parcel?.name, "acme");
});

test("a layer that refuses a call is answered with its error, and the handler is not entered", async (t) => {
  const full = new AppError({ kind: "exhausted", reason: "FULL", domain: "shoal.echo", message: "full" });
  const refuse: ServerMiddleware = async () => {
    throw full;
  };
  const { echo, ends } = await start(t, { admission: refuse }, { echo: () => assert.fail("it was entered") });
  await assert.rejects(echo.echo({ parcel: { number: -1n } }), (error) => isAppError(error, "FULL"));
  await assert.rejects(drain(echo.repeat({ count: 1n })), (error) => isAppError(error, "FULL"));
  await assert.rejects(echo.collect(parcels(1)), (error) => isAppError(error, "FULL"));
  await assert.rejects(drain(echo.converse(parcels(1))), (error) => isAppError(error, "FULL"));
  assert.deepEqual(
    ends.map(({ code }) => code),
    Array(4).fill("RESOURCE_EXHAUSTED"),
  );
});

test("a layer may translate the error of what it is around", async (t) => {
  const translate: ServerMiddleware = async (_, next) => {
    try {
      await next();
    } catch (cause) {
      throw new AppError({ kind: "stale", reason: "TRANSLATED", domain: "shoal.echo", message: "again", cause });
    }
  };
  const { echo, ends } = await start(t, { middleware: [translate] }, { echo: () => Promise.reject(new Error("odd")) });
  await assert.rejects(echo.echo({}), (error) => isAppError(error, "TRANSLATED"));
  const [end] = ends;
  assert.ok(end?.error instanceof Error);
  assert.match(String(end.error.cause), /odd/);
});

test("what a layer throws after the answer was made is answered instead of it", async (t) => {
  const late: ServerMiddleware = async (_, next) => {
    await next();
    throw new AppError({ kind: "unavailable", reason: "LATE", domain: "shoal.echo", message: "not stored" });
  };
  const { echo } = await start(t, { middleware: [late] });
  await assert.rejects(echo.echo({ parcel }), (error) => isAppError(error, "LATE"));
});

test("what looks at requests sees only those that are valid, and may refuse them", async (t) => {
  const seen: unknown[] = [];
  const look: ServerMiddleware = (context, next) => {
    context.onRequest((request) => {
      seen.push(request);
      throw new AppError({ kind: "precondition", reason: "SEEN", domain: "shoal.echo", message: "no" });
    });
    return next();
  };
  const { echo } = await start(t, { middleware: [look] }, { echo: () => assert.fail("it was entered") });
  await assert.rejects(echo.echo({ parcel: { number: -1n } }), (error) => isAppError(error, "INVALID_REQUEST"));
  assert.equal(seen.length, 0);
  await assert.rejects(echo.echo({ parcel }), (error) => isAppError(error, "SEEN"));
  assert.equal(seen.length, 1);
});

test("a client's layer may try again, and may answer for a call that failed", async (t) => {
  let calls = 0;
  const again: ClientMiddleware = async (_, next) => {
    try {
      await next();
    } catch {
      await next();
    }
  };
  const { echo } = await start(
    t,
    {},
    {
      echo: async ({ parcel }) => {
        calls += 1;
        if (calls === 1) throw new AppError({ kind: "stale", reason: "ONCE", domain: "shoal.echo", message: "once" });
        return { ...(parcel && { parcel }) };
      },
    },
    { middleware: [again] },
  );
  assert.equal((await echo.echo({ parcel })).parcel?.name, "tea");
  assert.equal(calls, 2);
});

test("a client's layers see how the call failed, also when its reader leaves or it is cancelled", async (t) => {
  const seen: string[] = [];
  const watch: ClientMiddleware = async (_, next) => {
    await next().catch((error) => {
      seen.push(isAppError(error) ? error.kind : String(error));
      throw error;
    });
  };
  const { echo } = await start(
    t,
    {},
    {
      echo: async (_, { signal }) => {
        await once(signal, "abort");
        return {};
      },
    },
    { middleware: [watch] },
  );
  for await (const _ of echo.repeat({ parcel, count: 1_000_000n })) break;
  await assert.rejects(echo.echo({}, { timeoutMs: 20 }));
  const hangUp = new AbortController();
  const call = echo.echo({}, { signal: hangUp.signal });
  setImmediate(() => hangUp.abort());
  await assert.rejects(call);
  assert.deepEqual(seen, ["cancelled", "timeout", "cancelled"]);
});

test("a client tells how each call ended, with all its attempts", async (t) => {
  const told: string[] = [];
  let calls = 0;
  const { echo } = await start(
    t,
    {},
    {
      echoAgain: async () => {
        calls += 1;
        if (calls === 1) throw new AppError({ kind: "unavailable", reason: "X", domain: "shoal.echo", message: "x" });
        return {};
      },
      echo: () => Promise.reject(new Error("odd")),
    },
    {
      onCallEnd: ({ path, code, durationMs, error }) => {
        assert.ok(durationMs > 0);
        told.push(`${path.split("/")[2]} ${code} ${error instanceof AppError ? error.reason : ""}`);
      },
    },
  );
  await echo.echoAgain({});
  await assert.rejects(echo.echo({}));
  for await (const _ of echo.repeat({ count: 1_000_000n })) break;
  await drain(echo.converse(parcels(2)));
  await eventually(() => told.length === 4);
  assert.deepEqual(told, ["EchoAgain OK ", "Echo INTERNAL INTERNAL", "Repeat CANCELLED CANCELLED", "Converse OK "]);
});

test("a client's layer that does not call next is an error that says so", async (t) => {
  const { echo } = await start(t, {}, {}, { middleware: [async () => {}] });
  await assert.rejects(echo.echo({}), /must call next/);
  assert.equal(await drain(echo.repeat({ count: 3n })), 0);
});

const ada: Identity = { subject: "ada", scopes: new Set(["echo.write"]) };
const bob: Identity = { subject: "bob", scopes: new Set(["echo.read"]) };
const callers: Readonly<Record<string, Identity>> = { ada, bob };

test("the identity hook says who calls, and the contract who may", async (t) => {
  const identified: string[] = [];
  const { guarded, echo } = await start(t, {
    services: [
      implement(EchoService, {
        ...echoing,
        echo: async () => ({ parcel: { name: currentContext()?.identity?.subject ?? "nobody" } }),
      }),
      implement(GuardedEchoService, {
        getCaller: async (_, { identity }) => ({ subject: identity?.subject ?? "" }),
        setCaller: async () => ({ subject: currentContext()?.identity?.subject ?? "" }),
      }),
    ],
    identify: async ({ requestMetadata, method }) => {
      identified.push(method.name);
      const [name] = requestMetadata.get("authorization");
      if (name === undefined) return undefined;
      const caller = callers[String(name)];
      if (caller !== undefined) return caller;
      const message = "these credentials are no good";
      throw new AppError({ kind: "unauthenticated", reason: "CREDENTIALS_INVALID", domain: "shoal.echo", message });
    },
  });
  const as = (name: string) => {
    const metadata = new Metadata();
    metadata.set("authorization", name);
    return { metadata };
  };
  assert.equal((await guarded.getCaller({}, as("bob"))).subject, "bob");
  assert.equal((await guarded.setCaller({}, as("ada"))).subject, "ada");
  await assert.rejects(guarded.setCaller({}, as("bob")), (error) => {
    assert.ok(isAppError(error, "SCOPE_MISSING"));
    assert.deepEqual([error.kind, error.metadata], ["forbidden", { scopes: "echo.write" }]);
    return true;
  });
  const unknown = (reason: string) => (error: unknown) => isAppError(error, reason) && error.kind === "unauthenticated";
  await assert.rejects(guarded.getCaller({}), unknown("CREDENTIALS_MISSING"));
  await assert.rejects(guarded.getCaller({}, as("mallory")), unknown("CREDENTIALS_INVALID"));
  // Where the contract asks for nobody, a caller that says nothing is served, and one that says who it is is known.
  assert.equal((await echo.echo({})).parcel?.name, "nobody");
  assert.equal((await echo.echo({}, as("ada"))).parcel?.name, "ada");
  assert.equal(identified.length, 7);
});

test("who calls is not sent on", async (t) => {
  const { echo } = await start(t, {}, { echo: async () => ({ parcel: { name: String(currentContext()?.identity) } }) });
  const context = createContext({ requestId: "r", identity: ada });
  assert.equal((await runWithContext(context, () => echo.echo({}))).parcel?.name, "undefined");
});

test("headers go before the first answer, trailers with the status, both with bytes in them", async (t) => {
  const { echo } = await start(
    t,
    {},
    {
      echo: async (_, { requestMetadata, responseHeaders, responseTrailers }) => {
        responseHeaders.set("x-head", String(requestMetadata.get("x-sent")[0]));
        for (const bytes of requestMetadata.get("x-sent-bin")) responseTrailers.add("x-tail-bin", bytes);
        return {};
      },
      // biome-ignore lint/correctness/useYield: it has no answer to give.
      repeat: async function* (_, context) {
        context.responseHeaders.set("x-head", "early");
        context.sendHeaders();
        await once(context.signal, "abort");
      },
      collect: async (_, { responseHeaders, responseTrailers }) => {
        responseHeaders.set("x-head", "h");
        responseTrailers.set("x-tail", "t");
        throw new AppError({ kind: "stale", reason: "STALE", domain: "shoal.echo", message: "stale" });
      },
    },
  );
  const metadata = new Metadata();
  metadata.set("x-sent", "hello");
  metadata.add("x-sent-bin", Buffer.from([0, 255]));
  metadata.add("x-sent-bin", Buffer.from("two"));
  const heard: unknown[] = [];
  const listen = {
    onHeaders: (headers: Metadata) => heard.push(headers.get("x-head")),
    onTrailers: (trailers: Metadata) => heard.push(trailers.get("x-tail-bin"), trailers.get("x-tail")),
  };
  await echo.echo({}, { metadata, ...listen });
  assert.deepEqual(heard.splice(0), [["hello"], [Buffer.from([0, 255]), Buffer.from("two")], []]);

  await new Promise<void>((resolve) => {
    const stream = echo.repeat(
      { count: 1n },
      { onHeaders: (headers) => resolve(void heard.push(headers.get("x-head"))) },
    );
    void stream.next().catch(() => {});
    t.after(() => stream.return());
  });
  assert.deepEqual(heard.splice(0), [["early"]]);

  await assert.rejects(echo.collect(parcels(1), listen), (error) => isAppError(error, "STALE"));
  assert.deepEqual(heard.splice(0), [["h"], [], ["t"]]);
});

test("a failure without headers of its own is one frame of trailers", async (t) => {
  const { echo } = await start(t, {}, { echo: () => Promise.reject(new Error("odd")) });
  const heard: string[] = [];
  const call = echo.echo({}, { onHeaders: () => heard.push("headers"), onTrailers: () => heard.push("trailers") });
  await assert.rejects(call);
  assert.deepEqual(heard, ["trailers"]);
});

test("calls beyond what a server works on at once are refused, while its health is still told", async (t) => {
  const release = new AbortController();
  const { echo } = await start(
    t,
    { maxRunningCalls: 2 },
    {
      echo: async () => {
        if (!release.signal.aborted) await once(release.signal, "abort");
        return {};
      },
    },
  );
  const held = [echo.echo({}), echo.echo({})];
  await assert.rejects(echo.echo({}), (error) => {
    assert.ok(isAppError(error, "TOO_MANY_CALLS"));
    assert.deepEqual([error.kind, error.retryAfterMs], ["exhausted", 100]);
    return true;
  });
  release.abort();
  await Promise.all(held);
  await echo.echo({});
});

test("the access log knows where a call came from whose connection was lost", async (t) => {
  const entered = Promise.withResolvers<void>();
  const { echo, ends } = await start(
    t,
    {},
    {
      echo: async (_, { signal }) => {
        entered.resolve();
        await once(signal, "abort");
        return {};
      },
    },
  );
  // The connection goes with the last call of a client that is disposed of.
  await echo.echoAgain({});
  const call = echo.echo({}, { timeoutMs: 500 });
  await entered.promise;
  echo[Symbol.dispose]();
  await assert.rejects(call);
  await eventually(() => ends.length === 2);
  assert.match(ends[1]?.context.peer.address ?? "", /^127\.0\.0\.1:\d+$/);
});
