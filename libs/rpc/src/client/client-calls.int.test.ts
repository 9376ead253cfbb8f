import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, createContext, isAppError, runWithContext } from "@shoal/kernel";
import { framed, http2Codes } from "../hardening/raw-client.ts";
import { answer, clientOf, data, destroy, headers, startRawServer, trailers } from "../hardening/raw-server.ts";
import { eventually, startTested } from "../hardening/tested-server.ts";
import type { HandlerContext } from "../server/handlers.ts";

const options = { timeoutMs: 20_000 };

const ofKind = (kind: string) => (error: unknown) => isAppError(error) && error.kind === kind;

/** Requests without an end, and whether they have been closed. */
function endless(beforeEach: () => Promise<void> = () => sleep(1)) {
  const state = { closed: false };
  const requests = (async function* () {
    try {
      for (;;) {
        await beforeEach();
        yield {};
      }
    } finally {
      state.closed = true;
    }
  })();
  return { requests, isClosed: () => state.closed };
}

/** Waits for the call's end without an answer. */
const hang = async (context: HandlerContext) => {
  await once(context.signal, "abort");
  throw context.signal.reason;
};

/** Handlers that never answer, of each kind. */
const hanging = {
  echo: async (_: unknown, context: HandlerContext) => hang(context),
  collect: async (_: unknown, context: HandlerContext) => hang(context),
  // biome-ignore lint/correctness/useYield: it never answers.
  repeat: async function* (_: unknown, context: HandlerContext) {
    await hang(context);
  },
  // biome-ignore lint/correctness/useYield: it never answers.
  converse: async function* (_: unknown, context: HandlerContext) {
    await hang(context);
  },
};

type TestClient = ReturnType<typeof clientOf>;
type Options = Parameters<TestClient["echo"]>[1];

const kinds = {
  "a unary call": (client: TestClient, more: Options) => client.echo({}, more),
  "a client stream": (client: TestClient, more: Options) => client.collect(endless().requests, more),
  "a server stream": (client: TestClient, more: Options) => client.repeat({}, more).next(),
  "a bidirectional stream": (client: TestClient, more: Options) => client.converse(endless().requests, more).next(),
};

for (const [name, call] of Object.entries(kinds)) {
  test(`${name} that is cancelled in the moment that it is made does not stay with the server`, async (t) => {
    const { port, entered, ends } = await startTested(t, hanging);
    const client = clientOf(t, port);
    // A connection is needed for it: otherwise the call waits, and is cancelled there.
    await client.echoAgain({}, options);
    await eventually(() => ends.length === 1);
    const controller = new AbortController();
    const running = call(client, { ...options, signal: controller.signal });
    controller.abort();
    await assert.rejects(running, ofKind("cancelled"));
    // What is sent later arrives later.
    await client.echoAgain({}, options);
    await eventually(() => ends.length === entered.length);
    assert.ok(entered.length <= 3);
  });

  test(`${name} is cancelled by its signal, before it begins and while it runs, and its handler learns of it`, async (t) => {
    const { port, entered, ends } = await startTested(t, hanging);
    const client = clientOf(t, port);
    await assert.rejects(call(client, { ...options, signal: AbortSignal.abort() }), ofKind("cancelled"));
    assert.equal(entered.length, 0);
    const controller = new AbortController();
    const running = call(client, { ...options, signal: controller.signal });
    running.catch(() => {});
    await eventually(() => entered.length === 1);
    controller.abort();
    await assert.rejects(running, ofKind("cancelled"));
    await eventually(() => entered[0]?.signal.aborted === true && ends.length === 1);
    assert.equal(ends[0]?.code, "CANCELLED");
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  });

  test(`${name} ends when its own time is over, and its handler learns of it`, async (t) => {
    const { port, entered } = await startTested(t, hanging);
    const client = clientOf(t, port);
    await client.echoAgain({}, options);
    await assert.rejects(call(client, { timeoutMs: 500 }), ofKind("timeout"));
    await eventually(() => entered[1]?.signal.aborted === true);
    for (const timeoutMs of [0, -1]) await assert.rejects(call(client, { timeoutMs }), ofKind("timeout"));
  });

  test(`${name} is cancelled with the call that it is made for`, async (t) => {
    const { port, entered } = await startTested(t, hanging);
    const client = clientOf(t, port);
    const controller = new AbortController();
    const context = createContext({ requestId: "r", signal: controller.signal });
    const running = runWithContext(context, () => call(client, options));
    running.catch(() => {});
    await eventually(() => entered.length === 1);
    controller.abort();
    await assert.rejects(running, ofKind("cancelled"));
    await eventually(() => entered[0]?.signal.aborted === true);
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  });
}

test("a signal that aborts after its call has ended changes nothing", async (t) => {
  const { port } = await startTested(t);
  const client = clientOf(t, port);
  const controller = new AbortController();
  await client.echo({}, { ...options, signal: controller.signal });
  controller.abort();
  await client.echo({}, options);
});

test("the reason of a signal that has aborted is what its calls fail with, if it is an error of the house", async (t) => {
  const { port } = await startTested(t);
  const reason = new AppError({ kind: "exhausted", reason: "TEST", domain: "shoal.test", message: "test" });
  const signal = AbortSignal.abort(reason);
  await assert.rejects(clientOf(t, port).echo({}, { ...options, signal }), reason);
});

test("a thousand calls of each kind with one signal have one listener on it, cancelled or done", async (t) => {
  const { port, entered, ends } = await startTested(t, hanging);
  const well = await startTested(t);
  const client = clientOf(t, port);
  const wellClient = clientOf(t, well.port);
  const { signal } = new AbortController();
  const count = () => getEventListeners(signal, "abort").length;
  let begun = 0;
  for (const call of Object.values(kinds).slice(0, 3)) {
    for (let n = 0; n < 10; n += 1) {
      const controller = new AbortController();
      const context = createContext({ requestId: "r", signal });
      const calls = Array.from({ length: 100 }, () =>
        runWithContext(context, () => call(client, { ...options, signal: controller.signal })),
      );
      const settled = Promise.allSettled(calls);
      begun += calls.length;
      await eventually(() => entered.length === begun);
      controller.abort();
      await settled;
      assert.equal(count(), 1);
      assert.equal(getEventListeners(controller.signal, "abort").length, 0);
    }
  }
  for (let n = 0; n < 1_000; n += 1) await wellClient.echo({}, { ...options, signal });
  for (let n = 0; n < 100; n += 1)
    for await (const _ of wellClient.repeat({ count: 3n }, { ...options, signal })) if (n % 2 === 0) break;
  assert.equal(count(), 1);
  await eventually(() => ends.length >= entered.length);
});

test("leaving a loop of answers cancels the call, and closes the source of its requests", async (t) => {
  const { port, entered, ends } = await startTested(t, {
    converse: async function* (requests) {
      for await (const _ of requests) yield {};
    },
  });
  const client = clientOf(t, port);
  const source = endless();
  for await (const _ of client.converse(source.requests, options)) break;
  await eventually(() => source.isClosed() && ends.length === 1);
  assert.equal(ends[0]?.code, "CANCELLED");
  assert.equal(entered[0]?.signal.aborted, true);
});

test("a source of requests is closed when the server ends the call before it, well or badly", async (t) => {
  const failure = new AppError({ kind: "stale", reason: "TEST", domain: "shoal.test", message: "test" });
  const { port } = await startTested(t, {
    collect: async () => ({ count: 7n }),
    converse: async function* () {
      yield {};
      throw failure;
    },
  });
  const client = clientOf(t, port);
  const [first, second] = [endless(), endless()];
  assert.equal((await client.collect(first.requests, options)).count, 7n);
  const failed = (async () => {
    for await (const _ of client.converse(second.requests, options));
  })();
  await assert.rejects(failed, (error) => isAppError(error, "TEST"));
  await eventually(() => first.isClosed() && second.isClosed());
});

test("a source of requests that waits keeps nobody from the call's end", async (t) => {
  const { port } = await startTested(t, { collect: async () => ({ count: 7n }) });
  const never = endless(() => new Promise(() => {}));
  assert.equal((await clientOf(t, port).collect(never.requests, options)).count, 7n);
});

test("a source of requests that fails, or makes what cannot be sent, ends the call, and the caller sees why", async (t) => {
  const { port, entered } = await startTested(t, {
    collect: async (requests, context) => {
      for await (const _ of requests);
      return hang(context);
    },
  });
  const client = clientOf(t, port);
  const why = new Error("the disk is gone");
  const broken = async function* () {
    yield {};
    await eventually(() => entered.length > 0);
    throw why;
  };
  await assert.rejects(client.collect(broken(), options), why);
  await assert.rejects(async () => {
    for await (const _ of client.converse(broken(), options));
  }, why);
  const unsendable = async function* () {
    yield { parcel: { number: 2n ** 80n } };
  };
  await assert.rejects(client.collect(unsendable(), options), (error) => error instanceof Error && !isAppError(error));
  await eventually(() => entered.every(({ signal }) => signal.aborted));
});

test("a source that fails because its call has ended does not hide how it ended", async (t) => {
  const server = await startRawServer(
    t,
    () => [headers({ ":status": "200", "content-type": "application/grpc", "grpc-status": "10" }, { end: true })],
    { early: true },
  );
  const client = clientOf(t, server.port);
  const requests = async function* () {
    try {
      for (;;) {
        await sleep(1);
        yield {};
      }
    } finally {
      // biome-ignore lint/correctness/noUnsafeFinally: a source that does what it should not.
      throw new Error("closed in the midst");
    }
  };
  for (let n = 0; n < 20; n += 1) await assert.rejects(client.collect(requests(), options), ofKind("stale"));
});

test("a reader that is slower than the answers gets all of them, and then the end as it was", async (t) => {
  const well = [headers(), ...Array.from({ length: 300 }, () => data(framed(Buffer.alloc(0))))];
  const ends = { "0": undefined, "10": "stale" };
  for (const [status, kind] of Object.entries(ends)) {
    const server = await startRawServer(t, () => [...well, trailers({ "grpc-status": status })]);
    let seen = 0;
    const read = (async () => {
      for await (const _ of clientOf(t, server.port).repeat({}, options)) {
        seen += 1;
        if (seen % 10 === 0) await sleep(1);
      }
    })();
    if (kind === undefined) await read;
    else await assert.rejects(read, ofKind(kind));
    if (kind === undefined) assert.equal(seen, 300);
  }
});

test("a connection that breaks while a slow reader reads fails its stream", async (t) => {
  const some = [headers(), ...Array.from({ length: 50 }, () => data(framed(Buffer.alloc(0))))];
  const server = await startRawServer(t, () => [...some, destroy]);
  let seen = 0;
  await assert.rejects(async () => {
    for await (const _ of clientOf(t, server.port).repeat({}, options)) {
      seen += 1;
      await sleep(1);
    }
  }, ofKind("unavailable"));
  assert.ok(seen <= 50);
});

test("a call that its caller leaves is reset on the wire, and its connection goes on", async (t) => {
  const server = await startRawServer(t, (n) => (n === 0 ? [headers(), data(framed(Buffer.alloc(0)))] : answer()));
  const client = clientOf(t, server.port);
  for await (const _ of client.repeat({}, options)) break;
  await eventually(() => server.resets.length === 1);
  assert.deepEqual(server.resets, [http2Codes.CANCEL]);
  await client.echo({}, options);
  assert.equal(server.connections, 1);
});

const broken = new Error("the disk is gone");
const readAll = async (answers: AsyncIterable<unknown>) => {
  for await (const _ of answers);
};
const breakOffs: Record<string, (client: TestClient) => Promise<unknown>> = {
  "its reader leaves": async (client) => {
    for await (const _ of client.converse(endless().requests, options)) break;
  },
  "its signal aborts": (client) => {
    const controller = new AbortController();
    const more = { ...options, signal: controller.signal, onHeaders: () => controller.abort() };
    return assert.rejects(client.collect(endless().requests, more), ofKind("cancelled"));
  },
  "its time is over": (client) =>
    assert.rejects(client.collect(endless().requests, { timeoutMs: 500 }), ofKind("timeout")),
  "the source of its requests fails": (client) => {
    const begun = Promise.withResolvers<void>();
    const failing = endless(() => begun.promise);
    const onHeaders = () => begun.reject(broken);
    return assert.rejects(readAll(client.converse(failing.requests, { ...options, onHeaders })), broken);
  },
  "a callback fails": (client) => {
    const onHeaders = () => {
      throw broken;
    };
    return assert.rejects(readAll(client.converse(endless().requests, { ...options, onHeaders })), broken);
  },
};

for (const [name, breakOff] of Object.entries(breakOffs))
  test(`a call whose requests are broken off because ${name} never looks complete to its server`, async (t) => {
    const begins = [headers(), data(framed(Buffer.alloc(0)))];
    const server = await startRawServer(t, (n) => (n === 0 ? answer() : begins), { early: true });
    const client = clientOf(t, server.port);
    await client.echo({}, options);
    await breakOff(client);
    await eventually(() => server.resets.length === 1);
    // The one that is complete is the first call's.
    assert.deepEqual([server.resets[0], server.completed], [http2Codes.CANCEL, 1]);
  });

test("a client that was disposed of makes no calls, and lets those end that run", async (t) => {
  const release = Promise.withResolvers<void>();
  const { port, entered } = await startTested(t, {
    echo: async () => {
      await release.promise;
      return {};
    },
  });
  const client = clientOf(t, port);
  const running = client.echo({}, options);
  await eventually(() => entered.length === 1);
  client[Symbol.dispose]();
  for (const call of Object.values(kinds))
    await assert.rejects(call(client, options), (error) => isAppError(error, "CLIENT_CLOSED"));
  release.resolve();
  await running;
});
