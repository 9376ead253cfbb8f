import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Metadata } from "@grpc/grpc-js";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { AppError, isAppError } from "@shoal/kernel";
import type { ClientMiddleware } from "../client/client.ts";
import { createClient } from "../client/client.ts";
import { goodRequest, http2Codes, paths } from "../hardening/raw-client.ts";
import { eventually, startTested } from "../hardening/tested-server.ts";
import { createServer } from "./server.ts";
import type { ServerMiddleware } from "./server-layers.ts";

const gaveUp = new AppError({ kind: "unavailable", reason: "GAVE_UP", domain: "shoal.echo", message: "gave up" });
const ofReason = (reason: string) => (error: unknown) => isAppError(error, reason);

/** Gives up what is further in after a while. */
const impatient = (_: unknown, next: () => Promise<void>): Promise<void> =>
  Promise.race([
    next(),
    sleep(50).then(() => {
      throw gaveUp;
    }),
  ]);

const clientWith = (port: number, ...middleware: ClientMiddleware[]) =>
  createClient(EchoService, { address: `127.0.0.1:${port}`, middleware });

test("a layer that gives a call up ends its handler: an endless stream of answers, and one that waits", async (t) => {
  let running = 0;
  const { client, stillServes } = await startTested(
    t,
    {
      repeat: async function* ({ parcel }) {
        running += 1;
        try {
          for (;;) yield { ...(parcel && { parcel }) };
        } finally {
          running -= 1;
        }
      },
      echo: async ({ parcel }, { signal }) => {
        if (parcel?.name === "wait") await once(signal, "abort");
        return {};
      },
    },
    { middleware: [impatient], maxRunningCalls: 1 },
  );
  const read = async () => {
    for await (const _ of client.repeat({ parcel: { name: "tea" } }));
  };
  await assert.rejects(read(), ofReason("GAVE_UP"));
  await eventually(() => running === 0);
  await assert.rejects(client.echo({ parcel: { name: "wait" } }), ofReason("GAVE_UP"));
  await stillServes();
});

test("an endless stream of empty answers leaves the process alive", async (t) => {
  const { client, ends } = await startTested(t, {
    repeat: async function* () {
      for (;;) yield {};
    },
  });
  let seen = 0;
  for await (const _ of client.repeat({})) if (++seen === 1_000) break;
  await eventually(() => ends.length === 1);
});

for (const retryAfterMs of [1_000 / 3, Number.NaN, Number.POSITIVE_INFINITY, -1, 2 ** 63])
  test(`a failure that asks to wait ${retryAfterMs} ms is answered`, async (t) => {
    const { client } = await startTested(t, {
      echo: () =>
        Promise.reject(
          new AppError({ kind: "exhausted", reason: "WAIT", domain: "shoal.echo", message: "wait", retryAfterMs }),
        ),
    });
    await assert.rejects(client.echo({}), (error) => {
      assert.ok(isAppError(error, "WAIT"));
      const { retryAfterMs: told = -1 } = error;
      assert.ok(Number.isInteger(told) && told >= 0 && told <= 86_400_000);
      return true;
    });
  });

for (const side of ["responseHeaders", "responseTrailers"] as const)
  for (const [key, values] of [
    ["connection", ["close"]],
    ["content-length", ["9"]],
    ["grpc-status", ["0"]],
    ["date", ["today", "tomorrow"]],
  ] as const)
    test(`${side} with ${key} fail the call as a fault of the server, and nothing else`, async (t) => {
      const { client, ends } = await startTested(t, {
        echo: async ({ parcel }, context) => {
          if (parcel === undefined) for (const value of values) context[side].add(key, value);
          context[side].set("x-mine", "m");
          return {};
        },
      });
      await assert.rejects(client.echo({}), ofReason("INTERNAL"));
      assert.match(String(ends[0]?.error), new RegExp(`metadata: ${key} `));
      await client.echo({ parcel: { name: "well" } });
    });

test("a client does not send metadata that HTTP/2 has no place for", async (t) => {
  const { client, entered } = await startTested(t);
  for (const [key, values] of [
    ["connection", ["close"]],
    ["host", ["here"]],
    ["authorization", ["one", "two"]],
  ] as const) {
    const metadata = new Metadata();
    for (const value of values) metadata.add(key, value);
    await assert.rejects(client.echo({}, { metadata }), new RegExp(`metadata: ${key} `));
  }
  assert.equal(entered.length, 0);
});

test("a client's layer cannot send a stream twice, and is told so", async (t) => {
  const twice: ClientMiddleware = async (_, next) => {
    await next().catch(() => {});
    await next();
  };
  const { port } = await startTested(t, {
    collect: () => Promise.reject(gaveUp),
    // biome-ignore lint/correctness/useYield: it fails.
    repeat: async function* () {
      throw gaveUp;
    },
  });
  using client = clientWith(port, twice);
  const requests = (async function* () {
    yield {};
  })();
  await assert.rejects(client.collect(requests), /may call next again only for a method of one request and one answer/);
  await assert.rejects(client.repeat({}).next(), /may call next again only|gave up/);
});

test("a client's layer that gives a call up ends it", async (t) => {
  const { port, entered } = await startTested(t, {
    repeat: async function* (_, { signal }) {
      yield {};
      await once(signal, "abort");
    },
    echo: async (_, { signal }) => {
      await once(signal, "abort");
      return {};
    },
  });
  using client = clientWith(port, impatient);
  const read = async () => {
    for await (const _ of client.repeat({}));
  };
  await assert.rejects(read(), ofReason("GAVE_UP"));
  await assert.rejects(client.echo({}), ofReason("GAVE_UP"));
  await eventually(() => entered.length === 2 && entered.every(({ signal }) => signal.aborted));
});

test("layers see requests that are refused, however they are written", async (t) => {
  let inside = 0;
  let failed = 0;
  const admission: ServerMiddleware = (_, next) => {
    inside += 1;
    return next().finally(() => {
      inside -= 1;
    });
  };
  const telemetry: ServerMiddleware = (_, next) =>
    next().then(undefined, (error) => {
      failed += 1;
      throw error;
    });
  const { client } = await startTested(t, {}, { admission, telemetry });
  await assert.rejects(client.echo({ parcel: { number: -1n } }), ofReason("INVALID_REQUEST"));
  assert.deepEqual([inside, failed], [0, 1]);
});

test("a handler is not entered when its call has ended while it was found out who calls", async (t) => {
  const { client, entered, ends } = await startTested(
    t,
    {},
    {
      identify: async ({ signal, requestMetadata }) => {
        if (requestMetadata.get("x-slow").length === 0) return undefined;
        await once(signal, "abort");
        return undefined;
      },
    },
  );
  // Over a connection that stands the next call gets there in time.
  await client.echo({});
  const metadata = new Metadata();
  metadata.set("x-slow", "1");
  await assert.rejects(client.echo({}, { metadata, timeoutMs: 500 }));
  await eventually(() => ends.length === 2);
  assert.equal(entered.length, 1);
  assert.match(ends[1]?.code ?? "", /^(DEADLINE_EXCEEDED|CANCELLED)$/);
});

test("an access log that throws harms no call", async (t) => {
  const warned = once(process, "warning");
  const { client } = await startTested(
    t,
    { echo: () => Promise.reject(gaveUp) },
    {
      onCallEnd: () => {
        throw new Error("the log is broken");
      },
    },
  );
  await assert.rejects(client.echo({}), ofReason("GAVE_UP"));
  assert.match(String((await warned)[0]), /the log is broken/);
});

test("a client's log that throws harms no call", async (t) => {
  const { port } = await startTested(t, { echoAgain: () => Promise.reject(gaveUp) });
  const onCallEnd = () => {
    throw new Error("the log is broken");
  };
  const policies = { "/shoal.echo.v1.EchoService/EchoAgain": { retry: undefined } };
  using client = createClient(EchoService, { address: `127.0.0.1:${port}`, onCallEnd, policies });
  const warned = once(process, "warning");
  await client.echo({});
  assert.match(String((await warned)[0]), /the log is broken/);
  await assert.rejects(client.echoAgain({}), ofReason("GAVE_UP"));
});

test("a server's layer may call next once only, and its permit is given back once", async (t) => {
  const twice: ServerMiddleware = async (_, next) => {
    await next();
    await next();
  };
  const release = new AbortController();
  const { client, ends } = await startTested(
    t,
    {
      echo: async () => ({}),
      collect: async () => {
        if (!release.signal.aborted) await once(release.signal, "abort");
        return {};
      },
    },
    {
      maxRunningCalls: 1,
      middleware: [({ method }, next) => (method.name === "Echo" ? twice({} as never, next) : next())],
    },
  );
  for (let n = 0; n < 3; n += 1) await assert.rejects(client.echo({}), ofReason("INTERNAL"));
  assert.match(String(ends[0]?.error), /may call next once only/);
  const none = async function* () {};
  const held = client.collect(none());
  await assert.rejects(
    async () => {
      for (;;) await client.collect(none(), { timeoutMs: 2_000 });
    },
    (error) => isAppError(error, "TOO_MANY_CALLS"),
  );
  release.abort();
  await held;
});

test("a client's layers are told of an answer that cannot be used", async (t) => {
  const seen: unknown[] = [];
  const { port } = await startTested(t, {
    repeat: async function* (_, { signal }) {
      yield {};
      await once(signal, "abort");
    },
  });
  using client = clientWith(port, async (context, next) => {
    context.onResponse(() => {
      throw gaveUp;
    });
    await next().catch((error) => {
      seen.push(error);
      throw error;
    });
  });
  await assert.rejects(client.repeat({}).next(), ofReason("GAVE_UP"));
  await eventually(() => seen.length === 1);
  assert.equal(seen[0], gaveUp);
});

test("a stream of answers is closed, and not asked for more, when its caller goes while it waits for room", async (t) => {
  let asked = 0;
  let closed = 0;
  const { raw, ends } = await startTested(t, {
    repeat: async function* () {
      try {
        for (;;) {
          asked += 1;
          yield { parcel: { payload: new Uint8Array(3_000_000) } };
        }
      } finally {
        closed += 1;
      }
    },
  });
  // Of the answer, which is far larger than HTTP/2's window, only the beginning is taken.
  const call = raw().begin(paths.repeat, { body: goodRequest });
  await once(call, "response");
  call.close(http2Codes.CANCEL);
  await eventually(() => closed === 1 && ends.length === 1);
  assert.equal(asked, 1);
});

test("times that are none are refused, by a client's call and by a server's drain", async (t) => {
  const { client } = await startTested(t);
  const server = createServer({ services: [], errorDomain: "shoal.echo" });
  await assert.rejects(client.echo({}, { timeoutMs: Number.NaN }), /timeoutMs must be/);
  for (const timeoutMs of [0, -1])
    await assert.rejects(client.echo({}, { timeoutMs }), { reason: "DEADLINE_EXCEEDED" });
  for (const graceMs of [-1, Number.NaN]) await assert.rejects(server.drain(graceMs), /graceMs must be 0 or more/);
  await client.echo({});
});
