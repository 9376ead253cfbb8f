import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { isAppError } from "@shoal/kernel";
import type { HandlerContext } from "../server/handlers.ts";
import { FrameConnection, goodRequest, http2Codes, paths, repeatRequest } from "./raw-client.ts";
import { echoing, eventually, startTested, type TestedServer } from "./tested-server.ts";

/** How far a call has come when its caller breaks it off. */
interface Stage {
  readonly name: string;
  readonly path: string;
  /** What the caller has sent, after the headers, on stream 1. */
  readonly send?: (connection: FrameConnection) => void;
  /** Whether the handler is at work, and has come as far as it can. */
  readonly reached?: (connection: FrameConnection, seen: Seen) => boolean;
  /** Tells the handler not to read. */
  readonly unread?: boolean;
}

/** What the handlers have seen. */
interface Seen {
  requests: number;
  /** Streams of requests that were told to be complete. */
  complete: number;
}

const stages: readonly Stage[] = [
  { name: "before the request", path: paths.echo },
  {
    name: "within the request",
    path: paths.echo,
    send: (connection) => connection.data(1, goodRequest.subarray(0, 7)),
  },
  {
    name: "after the request, which is not ended",
    path: paths.echo,
    send: (connection) => connection.data(1, goodRequest),
  },
  {
    name: "between the request and the answer",
    path: paths.echo,
    send: (connection) => connection.data(1, goodRequest, { end: true }),
    reached: (_, { requests }) => requests === 1,
  },
  {
    name: "between answers",
    path: paths.repeat,
    send: (connection) => connection.data(1, repeatRequest(1, 10), { end: true }),
    reached: (connection) => connection.bytesOf(1) > 0,
  },
  {
    name: "with answers that nobody takes",
    path: paths.repeat,
    send: (connection) => connection.data(1, repeatRequest(1_000, 1_000), { end: true }),
    reached: (connection) => connection.bytesOf(1) === 65_535,
  },
  { name: "before the first of many requests", path: paths.collect, reached: () => true },
  {
    name: "between requests",
    path: paths.collect,
    send: (connection) => connection.data(1, Buffer.concat([goodRequest, goodRequest])),
    reached: (_, { requests }) => requests === 2,
  },
  {
    name: "within one of many requests",
    path: paths.collect,
    send: (connection) => connection.data(1, Buffer.concat([goodRequest, goodRequest.subarray(0, 8)])),
    reached: (_, { requests }) => requests === 1,
  },
  {
    name: "with requests that nobody reads",
    path: paths.collect,
    unread: true,
    send: (connection) => {
      for (let n = 0; n < 20; n += 1) connection.data(1, goodRequest);
    },
    reached: () => true,
  },
  {
    name: "between a request and the next, answered",
    path: paths.converse,
    send: (connection) => connection.data(1, goodRequest),
    reached: (connection) => connection.bytesOf(1) > 0,
  },
];

const breaks: readonly { readonly name: string; readonly how: (connection: FrameConnection) => void }[] = [
  ...(["CANCEL", "NO_ERROR", "INTERNAL_ERROR", "PROTOCOL_ERROR"] as const).map((code) => ({
    name: `RST_STREAM with ${code}`,
    how: (connection: FrameConnection) => connection.reset(1, http2Codes[code]),
  })),
  { name: "a connection that is destroyed", how: (connection) => connection.destroy() },
  { name: "a connection that is ended", how: (connection) => void connection.socket.end() },
  { name: "GOAWAY with an error", how: (connection) => connection.goaway(http2Codes.INTERNAL_ERROR) },
];

/** Handlers that go as far as their stage, and then wait until they are told to stop. */
async function startWaiting(t: Parameters<typeof startTested>[0]): Promise<TestedServer & { seen: Seen }> {
  const seen: Seen = { requests: 0, complete: 0 };
  const stopped = async ({ signal }: HandlerContext) => {
    if (!signal.aborted) await once(signal, "abort");
    throw signal.reason;
  };
  const isQuick = ({ requestMetadata }: HandlerContext) => requestMetadata.get("x-quick").length > 0;
  async function* counted<T>(requests: AsyncIterable<T>) {
    for await (const request of requests) {
      seen.requests += 1;
      yield request;
    }
    seen.complete += 1;
  }
  const tested = await startTested(t, {
    echo: async (request, context) => {
      if (isQuick(context)) return echoing.echo(request, context);
      seen.requests += 1;
      return stopped(context);
    },
    collect: async (requests, context) => {
      if (context.requestMetadata.get("x-unread").length > 0) return stopped(context);
      for await (const _ of counted(requests));
      return stopped(context);
    },
    repeat: async function* (request, context) {
      yield* echoing.repeat(request, context);
      await stopped(context);
    },
    converse: async function* (requests, context) {
      yield* echoing.converse(counted(requests), context);
    },
  });
  return { ...tested, seen };
}

for (const { name, path, send, reached, unread = false } of stages)
  for (const { name: breakName, how } of breaks)
    test(`${breakName} ends a call ${name}`, async (t) => {
      const tested = await startWaiting(t);
      const connection = await FrameConnection.open(tested.port);
      t.after(() => connection.destroy());
      connection.headers(1, path, unread ? { "x-unread": "1" } : {});
      send?.(connection);
      if (reached !== undefined) {
        await eventually(() => tested.entered.length === 1 && reached(connection, tested.seen), "reached");
        // A signal is made when it is asked for.
        void tested.entered[0]?.signal;
      } else {
        // This call is answered when all that came before it has been seen.
        connection.headers(3, paths.echo, { "x-quick": "1" });
        connection.data(3, goodRequest, { end: true });
        await eventually(() => connection.hasEnded(3), "seen");
      }
      how(connection);
      if (reached === undefined) {
        await tested.stillServes();
        const quick = ({ requestMetadata }: HandlerContext) => requestMetadata.get("x-quick").length > 0;
        assert.deepEqual(tested.entered.map(quick), [true]);
        return;
      }
      await eventually(() => tested.ends.length === 1, "told");
      assert.equal(tested.ends[0]?.code, "CANCELLED");
      const reason: unknown = tested.entered[0]?.signal.reason;
      assert.ok(isAppError(reason) && reason.kind === "cancelled");
      assert.equal(tested.seen.complete, 0);
      if (breakName.startsWith("RST_STREAM")) {
        connection.grant(1_000_000);
        connection.headers(3, paths.echo, { "x-quick": "1" });
        connection.data(3, goodRequest, { end: true });
        await eventually(() => connection.hasEnded(3), "the next call on the connection");
        assert.equal(connection.closed, false);
      }
      await tested.stillServes();
    });

test("requests that a caller ended are complete, whatever it does afterwards", async (t) => {
  for (const { how } of breaks) {
    const tested = await startWaiting(t);
    const connection = await FrameConnection.open(tested.port);
    t.after(() => connection.destroy());
    connection.headers(1, paths.collect);
    connection.data(1, goodRequest, { end: true });
    await eventually(() => tested.seen.complete === 1);
    how(connection);
    await eventually(() => tested.ends.length === 1);
    assert.equal(tested.ends[0]?.code, "CANCELLED");
    await tested.stillServes();
  }
});

test("a stream whose end and reset come together is complete or cancelled, and its handler ends", async (t) => {
  const tested = await startWaiting(t);
  const connection = await FrameConnection.open(tested.port);
  t.after(() => connection.destroy());
  for (let n = 0; n < 100; n += 1) {
    const id = 1 + 2 * n;
    connection.socket.cork();
    connection.headers(id, paths.collect);
    connection.data(id, goodRequest, { end: true });
    connection.reset(id, n % 2 === 0 ? http2Codes.CANCEL : http2Codes.NO_ERROR);
    connection.socket.uncork();
  }
  // Where the reset comes in the same packet, the call may have ended before it could begin.
  connection.headers(201, paths.echo, { "x-quick": "1" });
  connection.data(201, goodRequest, { end: true });
  await eventually(() => connection.hasEnded(201));
  await tested.stillServes();
  for (const { code, path } of tested.ends) assert.equal(code, path === paths.echo ? "OK" : "CANCELLED");
});

test("GOAWAY without an error lets the calls at work finish", async (t) => {
  const release = Promise.withResolvers<void>();
  const tested = await startTested(t, {
    echo: async () => {
      await release.promise;
      return {};
    },
  });
  const connection = await FrameConnection.open(tested.port);
  t.after(() => connection.destroy());
  connection.headers(1, paths.echo);
  connection.data(1, goodRequest, { end: true });
  await eventually(() => tested.entered.length === 1);
  connection.goaway(http2Codes.NO_ERROR);
  release.resolve();
  await eventually(() => connection.bytesOf(1) > 0 && connection.hasEnded(1));
  await tested.stillServes();
  assert.equal(tested.ends[0]?.code, "OK");
});
