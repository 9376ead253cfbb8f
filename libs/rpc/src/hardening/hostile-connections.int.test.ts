import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Health } from "@shoal/contracts/grpc/health/v1/health";
import { isAppError } from "@shoal/kernel";
import { createClient } from "../client/client.ts";
import type { HandlerContext } from "../server/handlers.ts";
import { defaultServerOptions } from "../server/server.ts";
import {
  callFrame,
  FrameConnection,
  framed,
  goodRequest,
  greeting,
  http2Codes,
  paths,
  repeatRequest,
  replyTo,
  resetFrame,
} from "./raw-client.ts";
import { echoing, eventually, startTested } from "./tested-server.ts";

/** Counts the handlers at work, which wait until they are told to go on or to stop. */
function waiting() {
  const counts = { now: 0, most: 0 };
  let release = Promise.withResolvers<void>();
  const work = async ({ signal }: HandlerContext): Promise<object> => {
    counts.now += 1;
    counts.most = Math.max(counts.most, counts.now);
    try {
      await Promise.race([release.promise, once(signal, "abort")]);
      signal.throwIfAborted();
      return {};
    } finally {
      counts.now -= 1;
    }
  };
  return {
    counts,
    work,
    release: () => {
      release.resolve();
      release = Promise.withResolvers();
    },
  };
}

test("calls beyond a connection's bound wait at the client, and all succeed in the end", async (t) => {
  const counts = { now: 0, most: 0 };
  const handler: typeof echoing.echo = async (request, context) => {
    counts.most = Math.max(counts.most, ++counts.now);
    await sleep(2);
    counts.now -= 1;
    return echoing.echo(request, context);
  };
  const tested = await startTested(t, { echo: handler }, { maxStreamsPerConnection: 5 });
  // The client learns of the bound with its first call.
  await tested.client.echo({});
  await Promise.all(Array.from({ length: 200 }, () => tested.client.echo({ parcel: { name: "one of many" } })));
  assert.ok(counts.most <= 5, `${counts.most} at once`);
  await tested.stillServes();
});

test("calls of a client that ignores a connection's bound are refused, or its connection is ended", async (t) => {
  const { counts, work, release } = waiting();
  const tested = await startTested(t, { echo: (_, context) => work(context) }, { maxStreamsPerConnection: 5 });
  const connection = await FrameConnection.open(tested.port);
  t.after(() => connection.destroy());
  for (let id = 1; id < 40; id += 2) {
    connection.headers(id, paths.echo);
    connection.data(id, goodRequest, { end: true });
  }
  await eventually(() => connection.resets.length > 0 || connection.closed);
  assert.ok(counts.most <= 5, `${counts.most} at once`);
  release();
  connection.destroy();
  await tested.stillServes();
});

test("calls beyond the server's bound are refused at once, and each way to end gives its room back", async (t) => {
  const { counts, work, release } = waiting();
  const tested = await startTested(
    t,
    {
      echo: async (_, context) => {
        const [mode] = context.requestMetadata.get("x-mode");
        if (mode === "throw") throw new Error("as asked");
        if (mode === "wait") await work(context);
        return {};
      },
      repeat: async function* (_, context) {
        yield {};
        await work(context);
      },
      collect: (_, context) => work(context),
    },
    { maxRunningCalls: 2 },
  );
  const raw = tested.raw();
  using health = createClient(Health, { address: `127.0.0.1:${tested.port}` });
  const wait = { headers: { "x-mode": "wait" }, body: goodRequest };
  const ways: readonly { readonly name: string; readonly end: () => Promise<unknown> }[] = [
    {
      name: "success",
      end: async () => {
        const calls = [raw.call(paths.echo, wait), raw.call(paths.echo, wait)];
        await full();
        release();
        return Promise.all(calls);
      },
    },
    {
      name: "error",
      end: async () => {
        for (let n = 0; n < 5; n += 1)
          assert.equal((await raw.call(paths.echo, { ...wait, headers: { "x-mode": "throw" } })).status, "INTERNAL");
      },
    },
    {
      name: "cancel",
      end: async () => {
        const calls = [paths.echo, paths.repeat].map((path) => raw.begin(path, wait));
        await full();
        for (const call of calls) call.close(http2Codes.CANCEL);
      },
    },
    {
      name: "deadline",
      end: async () => {
        const headers = { "x-mode": "wait", "grpc-timeout": "300m" };
        const calls = [paths.echo, paths.collect].map((path) =>
          raw.call(path, { headers, body: goodRequest, end: true }),
        );
        for (const { status } of await Promise.all(calls)) assert.equal(status, "DEADLINE_EXCEEDED");
      },
    },
    {
      name: "a lost connection",
      end: async () => {
        const connection = await FrameConnection.open(tested.port);
        connection.headers(1, paths.collect);
        connection.headers(3, paths.collect);
        await full();
        connection.destroy();
      },
    },
    {
      name: "a request that is no message",
      end: async () => {
        for (let n = 0; n < 5; n += 1) {
          const { status } = await raw.call(paths.echo, { body: Buffer.of(0, 0, 0, 0, 1, 0xff) });
          assert.equal(status, "INVALID_ARGUMENT");
        }
      },
    },
  ];
  /** Waits until two calls are at work; others are refused then, and health is not. */
  const full = async () => {
    await eventually(() => counts.now === 2);
    for (const path of Object.values(paths)) {
      const { status, error } = await raw.call(path, { body: goodRequest });
      assert.deepEqual([status, error.reason], ["RESOURCE_EXHAUSTED", "TOO_MANY_CALLS"]);
      assert.ok((error.retryAfterMs ?? 0) > 0);
    }
    assert.equal((await health.check({ service: "" })).status, 1);
  };
  for (const { name, end } of ways)
    for (let round = 0; round < 3; round += 1) {
      await end();
      await eventually(() => counts.now === 0, name);
      // All room is there again, and no more of it than before.
      const calls = [raw.call(paths.echo, wait), raw.call(paths.echo, wait)];
      await full();
      release();
      for (const { status } of await Promise.all(calls)) assert.equal(status, "OK", name);
    }
  await tested.stillServes(raw);
});

test("callers that cancel all that a connection may have, and begin as much anew at once, lose no other call", async (t) => {
  const release = Promise.withResolvers<void>();
  const { work } = waiting();
  const tested = await startTested(t, {
    echo: (_, context) => work(context),
    collect: async () => {
      await release.promise;
      return { count: 7n };
    },
  });
  const innocent = tested.client.collect((async function* () {})());
  await eventually(() => tested.entered.length === 1);
  const rounds: Promise<unknown>[] = [];
  for (let round = 1; round <= 5; round += 1) {
    const before = tested.entered.length;
    const controller = new AbortController();
    const calls = Array.from({ length: defaultServerOptions.maxStreamsPerConnection - 1 }, () =>
      assert.rejects(tested.client.echo({}, { signal: controller.signal, timeoutMs: 60_000 })),
    );
    // On a busy machine all of a round may be refused.
    let refused = false;
    const ended = Promise.all(calls).then(() => {
      refused = true;
    });
    await eventually(() => tested.entered.length > before || refused);
    controller.abort();
    rounds.push(ended);
  }
  await Promise.all(rounds);
  release.resolve();
  assert.equal((await innocent).count, 7n);
  await tested.stillServes();
});

for (const withRequest of [false, true])
  test(`a flood of calls that are reset at once${withRequest ? ", requests and all," : ""} ends its connection or stays bounded, and harms no other`, async (t) => {
    const { counts, work } = waiting();
    const tested = await startTested(t, {
      echo: (_, context) => work(context),
      collect: (_, context) => work(context),
      echoAgain: echoing.echoAgain,
    });
    const connection = await FrameConnection.open(tested.port);
    t.after(() => connection.destroy());
    let [sent, served] = [0, 0];
    const begunAt = performance.now();
    const seconds = () => (performance.now() - begunAt) / 1_000;
    while (!connection.closed && seconds() < 10) {
      const frames: Buffer[] = [];
      for (let n = 0; n < 500; n += 1, sent += 1) {
        const id = 1 + 2 * sent;
        frames.push(callFrame(id, withRequest ? paths.collect : paths.echo), resetFrame(id, http2Codes.CANCEL));
      }
      if (!connection.socket.write(Buffer.concat(frames)))
        await Promise.race([once(connection.socket, "drain"), once(connection.socket, "close")]).catch(() => {});
      if (sent % 5_000 > 0) continue;
      await tested.client.echoAgain({});
      served += 1;
    }
    // On a machine that is too busy for it the flood stays within what a connection may reset: 20,000 and 2,000 a second
    // more, not counting what is under way in the system's buffers.
    const allowed = 20_000 + 2_000 * seconds() + 30_000;
    assert.ok(connection.closed || sent < allowed, `${sent} resets in ${seconds()} s`);
    assert.ok(served > 0);
    await eventually(() => counts.now === 0);
    await tested.stillServes();
    t.diagnostic(
      `the connection was ${connection.closed ? "ended" : "let live"} after ${sent} resets with code ${connection.goneAway}`,
    );
  });

test("bytes that are no HTTP/2 end their connection, and no other", async (t) => {
  const tested = await startTested(t);
  const bad = [
    Buffer.from("GET / HTTP/1.1\r\nhost: test\r\n\r\n"),
    Buffer.alloc(100_000, 0xff),
    Buffer.alloc(10_000),
    Buffer.concat([greeting, Buffer.alloc(10_000, 0xff)]),
    // A frame of more than 16 KiB, headers that are no HPACK, data for a stream that was never begun.
    Buffer.concat([greeting, Buffer.of(0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1), Buffer.alloc(100_000)]),
    Buffer.concat([greeting, Buffer.of(0, 0, 4, 1, 5, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff)]),
    Buffer.concat([greeting, Buffer.of(0, 0, 1, 0, 0, 0, 0, 0, 1, 0)]),
    // Headers that never end (CVE-2024-27983).
    Buffer.concat([greeting, Buffer.of(0, 0, 0, 1, 0, 0, 0, 0, 1), continuations(100_000)]),
  ];
  for (const bytes of bad) {
    const socket = connect(tested.port, "127.0.0.1").on("error", () => {});
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.resume().write(bytes);
    await closed;
  }
  assert.equal(tested.entered.length, 0);
  await tested.stillServes();
});

function continuations(count: number): Buffer {
  const field = Buffer.of(0, 1, 0x61, 1, 0x62);
  return Buffer.concat(
    Array.from({ length: count }, () => Buffer.concat([Buffer.of(0, 0, 5, 9, 0, 0, 0, 0, 1), field])),
  );
}

test("callers that begin requests and do not go on hold no handler, and their deadline ends them", async (t) => {
  const tested = await startTested(t, {}, { maxRunningCalls: 1 });
  const raw = tested.raw();
  const slow = [paths.echo, paths.repeat].flatMap((path) =>
    [Buffer.alloc(0), goodRequest.subarray(0, 3), goodRequest.subarray(0, 9), goodRequest].flatMap((body) =>
      [undefined, "400m"].map((timeout) => ({
        timeout,
        stream: raw.begin(path, { headers: { "grpc-timeout": timeout }, body, end: false }),
      })),
    ),
  );
  const replies = slow.filter(({ timeout }) => timeout !== undefined).map(({ stream }) => replyTo(stream));
  // There is room for the one call that may run.
  for (let n = 0; n < 20; n += 1) await tested.client.echo({});
  for (const reply of await Promise.all(replies)) assert.equal(reply.status, "DEADLINE_EXCEEDED");
  assert.equal(tested.entered.length, 20);
  await tested.stillServes(raw);
  for (const { stream } of slow) stream.close(http2Codes.CANCEL);
  await tested.stillServes(raw);
});

test("callers that send a byte at a time are served, or ended by their deadline", async (t) => {
  const tested = await startTested(t);
  const raw = tested.raw();
  for (const path of [paths.echo, paths.collect, paths.converse]) {
    const patient = raw.begin(path, { end: false });
    const patientReply = replyTo(patient);
    const endless = raw.begin(path, { headers: { "grpc-timeout": "100m" }, end: false });
    const endlessReply = replyTo(endless);
    endless.write(framed(Buffer.alloc(0), { length: 1_000_000 }));
    let replied = false;
    void endlessReply.then(() => {
      replied = true;
    });
    for (const byte of goodRequest) await new Promise((resolve) => patient.write(Buffer.of(byte), resolve));
    patient.end();
    assert.equal((await patientReply).status, "OK");
    while (!replied) {
      endless.write(Buffer.of(0));
      await sleep(5);
    }
    assert.equal((await endlessReply).status, "DEADLINE_EXCEEDED", path);
    endless.close();
  }
  await tested.stillServes(raw);
  for (const { code } of tested.ends) assert.match(code, /^(OK|DEADLINE_EXCEEDED)$/);
});

test("a caller that takes no answers holds its handler, and what waits to be sent, no longer than its deadline", async (t) => {
  const tested = await startTested(t, { echo: async () => ({ parcel: { payload: new Uint8Array(1_000_000) } }) });
  const connection = await FrameConnection.open(tested.port);
  t.after(() => connection.destroy());
  const requests = { [paths.repeat]: repeatRequest(1_000_000, 1_000), [paths.echo]: goodRequest };
  for (const [n, [path, request]] of Object.entries(requests).entries()) {
    connection.headers(1 + 2 * n, path, { "grpc-timeout": "1S" });
    connection.data(1 + 2 * n, request, { end: true });
  }
  await eventually(() => tested.ends.length === 2);
  // The handler of the one answer was done in time.
  assert.deepEqual(tested.ends.map(({ code }) => code).sort(), ["DEADLINE_EXCEEDED", "OK"]);
  await eventually(() => connection.resets.length === 2);
  assert.deepEqual(connection.resets, [http2Codes.CANCEL, http2Codes.CANCEL]);
  assert.equal(connection.closed, false);
  await tested.stillServes();
});

test("a caller that takes no answers and has no deadline holds only its own", async (t) => {
  const tested = await startTested(t);
  const connection = await FrameConnection.open(tested.port);
  for (let id = 1; id < 100; id += 2) {
    connection.headers(id, paths.repeat);
    connection.data(id, repeatRequest(1_000_000, 1_000), { end: true });
  }
  await eventually(() => tested.entered.length === 50);
  for (let n = 0; n < 20; n += 1) await tested.client.echo({});
  connection.destroy();
  await eventually(() => tested.ends.length === 70);
  for (const { code, path } of tested.ends) assert.equal(code, path === paths.echo ? "OK" : "CANCELLED");
  await tested.stillServes();
});

test("our client is told that there is no room, and does not try again what may not be repeated", async (t) => {
  const { work, counts, release } = waiting();
  const tested = await startTested(t, { echo: (_, context) => work(context) }, { maxRunningCalls: 1 });
  const first = tested.client.echo({});
  await eventually(() => counts.now === 1);
  await assert.rejects(tested.client.echo({}), (error) => isAppError(error, "TOO_MANY_CALLS"));
  release();
  await first;
  await tested.stillServes();
});
