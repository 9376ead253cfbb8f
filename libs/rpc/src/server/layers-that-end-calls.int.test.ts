import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { AppError, isAppError } from "@shoal/kernel";
import type { ClientMiddleware } from "../client/client.ts";
import { createClient } from "../client/client.ts";
import { eventually, startTested } from "../hardening/tested-server.ts";
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

test("headers and trailers that HTTP/2 has no place for are left out", async (t) => {
  const { client } = await startTested(t, {
    echo: async (_, { responseHeaders, responseTrailers }) => {
      responseHeaders.set("connection", "close");
      responseHeaders.set("x-head", "h");
      responseTrailers.set("transfer-encoding", "chunked");
      responseTrailers.set("x-tail", "t");
      return {};
    },
  });
  const heard: unknown[] = [];
  const onHeaders = (headers: { get(name: string): unknown }) => heard.push(headers.get("x-head"));
  const onTrailers = (trailers: { get(name: string): unknown }) => heard.push(trailers.get("x-tail"));
  await client.echo({}, { onHeaders, onTrailers });
  assert.deepEqual(heard, [["h"], ["t"]]);
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
  const { Metadata } = await import("@grpc/grpc-js");
  const metadata = new Metadata();
  metadata.set("x-slow", "1");
  await assert.rejects(client.echo({}, { metadata, timeoutMs: 50 }));
  await eventually(() => ends.length === 1);
  assert.equal(entered.length, 0);
  assert.match(ends[0]?.code ?? "", /^(DEADLINE_EXCEEDED|CANCELLED)$/);
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
