import assert from "node:assert/strict";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { type FaultProxy, type FaultProxyOptions, startFaultProxy } from "./fault-proxy.ts";
import type { FaultRule } from "./fault-rules.ts";
import { until } from "./until.ts";

const ok = { ":status": 200, "content-type": "application/grpc" };

/** An instance that does with each stream what a test says, before which a proxy stands. */
async function startInstance(
  t: TestContext,
  serve: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  { settings = {}, ...options }: FaultProxyOptions & { readonly settings?: Settings } = {},
) {
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const calls: string[] = [];
  const server = createServer({ settings });
  server.on("connection", (socket) => sockets.add(socket));
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {}).once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    calls.push(String(headers[":path"]));
    stream.on("error", () => {});
    serve(stream, headers);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const proxy = await startFaultProxy({ target, ...options });
  t.after(async () => {
    await proxy.close();
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { proxy, sessions, sockets, calls, server, target };
}

/** A client of the proxy. */
async function connectClient(t: TestContext, { address }: FaultProxy): Promise<ClientHttp2Session> {
  const client = connect(`http://${address}`);
  client.on("error", () => {});
  t.after(() => client.destroy());
  await once(client, "remoteSettings");
  return client;
}

const post = (client: ClientHttp2Session, path = "/a.B/Call", headers = {}) => {
  const stream = client.request({ ":method": "POST", ":path": path, te: "trailers", ...headers });
  stream.on("error", () => {});
  return stream;
};

/** All that comes back on a stream, once it has closed. */
async function outcomeOf(stream: ClientHttp2Stream) {
  let [status, trailer, data] = [undefined, undefined, ""] as [unknown, unknown, string];
  stream.on("response", (headers) => {
    status = headers["grpc-status"] ?? headers[":status"];
  });
  stream.on("trailers", (headers) => {
    trailer = headers["grpc-status"];
  });
  stream.setEncoding("utf8").on("data", (chunk) => {
    data += chunk;
  });
  if (!stream.closed) await new Promise((resolve) => stream.once("close", resolve));
  return { status, trailer, data, rstCode: stream.rstCode };
}

/** Answers what comes in, and says at the end what the request's header said. */
const echo = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
  stream.respond(ok, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", said: headers["say"] }));
  stream.pipe(stream);
};

/** What comes back to a call that says hello. */
const answerTo = (client: ClientHttp2Session, path: string) => {
  const stream = post(client, path);
  stream.end("hello");
  return outcomeOf(stream);
};

const controlOf = ({ controlAddress }: FaultProxy) => `http://${controlAddress}/faults`;

test("messages pass both ways while the stream is open, then trailers", async (t) => {
  const { proxy } = await startInstance(t, echo);
  const stream = post(await connectClient(t, proxy), "/a.B/Chat", { say: "hello" });
  const trailers = once(stream, "trailers");
  stream.setEncoding("utf8");
  for (const word of ["one", "two", "three"]) {
    stream.write(word);
    const [data] = await once(stream, "data");
    assert.equal(data, word);
  }
  stream.end();
  const [{ "grpc-status": status, said }] = (await trailers) as [IncomingHttpHeaders];
  assert.deepEqual({ status, said }, { status: "0", said: "hello" });
});

test("an answer without data, one before the request has ended, and one without a request's data arrive whole", async (t) => {
  const { proxy } = await startInstance(t, (stream, headers) => {
    const path = headers[":path"];
    if (path === "/a.B/Refused") stream.respond({ ...ok, "grpc-status": "5" }, { endStream: true });
    else {
      stream.respond(ok, { waitForTrailers: true });
      stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end("early");
    }
  });
  const client = await connectClient(t, proxy);
  const refused = post(client, "/a.B/Refused");
  refused.end("request");
  assert.deepEqual(await outcomeOf(refused), { status: "5", trailer: undefined, data: "", rstCode: 0 });
  const early = post(client, "/a.B/Early");
  early.write("request");
  early.once("trailers", () => early.close());
  assert.deepEqual(await outcomeOf(early), { status: 200, trailer: "0", data: "early", rstCode: 0 });
  const empty = client.request({ ":method": "POST", ":path": "/a.B/Empty" }, { endStream: true });
  assert.deepEqual(await outcomeOf(empty), { status: 200, trailer: "0", data: "early", rstCode: 0 });
});

test("what nobody reads is not read: no side runs ahead of the other", async (t) => {
  let taken = 0;
  const { proxy } = await startInstance(t, (stream) => {
    stream.respond(ok);
    if (taken === 0) stream.on("data", (chunk) => (taken += chunk.length)).pause();
    else stream.resume();
    if (taken === 0) setImmediate(() => stream.pause());
  });
  const stream = post(await connectClient(t, proxy));
  const chunk = Buffer.alloc(16_384);
  let sent = 0;
  let stuck = false;
  // 100 MB would pass a proxy that reads on.
  while (sent < 100_000_000 && !stuck) {
    sent += chunk.length;
    if (stream.write(chunk)) continue;
    stuck = await Promise.race([
      once(stream, "drain").then(() => false),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 500)),
    ]);
  }
  assert.ok(stuck && sent < 5_000_000, `${sent} bytes were taken of which nobody has read more than ${taken}`);
});

test("resets keep their codes, either way", async (t) => {
  const seen: number[] = [];
  const { proxy, calls } = await startInstance(t, (stream, headers) => {
    stream.once("close", () => seen.push(stream.rstCode));
    if (headers[":path"] === "/a.B/Reset") stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    else if (headers[":path"] === "/a.B/Late") {
      stream.respond(ok);
      stream.write("some");
      stream.once("data", () => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    }
  });
  const client = await connectClient(t, proxy);
  assert.equal((await outcomeOf(post(client, "/a.B/Reset"))).rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  const late = post(client, "/a.B/Late");
  late.once("data", () => late.write("go on"));
  assert.deepEqual(await outcomeOf(late), {
    status: 200,
    trailer: undefined,
    data: "some",
    rstCode: constants.NGHTTP2_REFUSED_STREAM,
  });
  const cancelled = post(client, "/a.B/Hangs");
  await until("the call arrives", () => calls.includes("/a.B/Hangs"));
  cancelled.close(constants.NGHTTP2_CANCEL);
  await until("the instance sees the end of all three", () => seen.length === 3);
  assert.equal(seen[2], constants.NGHTTP2_CANCEL);
});

test("an answer to a call that was reset without an error, and not read yet, disturbs nobody", async (t) => {
  const streams: ServerHttp2Stream[] = [];
  const { proxy } = await startInstance(t, (stream, headers) => {
    if (headers[":path"] === "/a.B/Call") echo(stream, headers);
    else streams.push(stream);
  });
  const client = await connectClient(t, proxy);
  const left = post(client, "/a.B/Hangs");
  left.write(Buffer.alloc(500_000));
  await until("the call arrives", () => streams.length === 1);
  left.close(constants.NGHTTP2_NO_ERROR);
  await new Promise((resolve) => client.ping(resolve));
  streams[0]?.respond(ok);
  assert.equal((await answerTo(client, "/a.B/Call")).data, "hello");
});

test("the instance's limits are the client's, also when they change", async (t) => {
  const { proxy, sessions } = await startInstance(t, echo, {
    settings: { maxConcurrentStreams: 7, initialWindowSize: 100_000 },
  });
  const client = await connectClient(t, proxy);
  assert.equal(client.remoteSettings.maxConcurrentStreams, 7);
  assert.equal(client.remoteSettings.initialWindowSize, 100_000);
  for (const session of sessions) session.settings({ maxConcurrentStreams: 3 });
  await until("the client knows", () => client.remoteSettings.maxConcurrentStreams === 3);
});

test("an instance that drains lets calls under way end, and the client knows that it is to begin no more", async (t) => {
  const { proxy, sessions } = await startInstance(t, echo);
  const client = await connectClient(t, proxy);
  const stream = post(client);
  const outcome = outcomeOf(stream);
  stream.write("before");
  await once(stream, "response");
  const goaway = once(client, "goaway");
  for (const session of sessions) session.close();
  const [code] = await goaway;
  assert.equal(code, constants.NGHTTP2_NO_ERROR);
  stream.end(", after");
  assert.deepEqual(await outcome, { status: 200, trailer: "0", data: "before, after", rstCode: 0 });
  await until("the connection ends", () => client.destroyed);
});

test("an instance that drains is not held up by calls in a black hole", async (t) => {
  const { proxy, sessions } = await startInstance(t, echo, {
    faults: [{ method: "Lost", fault: { blackHole: true } }],
  });
  const client = await connectClient(t, proxy);
  const outcome = outcomeOf(post(client, "/a.B/Lost"));
  await until("it is lost", () => proxy.struck === 1);
  for (const session of sessions) session.close();
  assert.equal((await outcome).rstCode, constants.NGHTTP2_INTERNAL_ERROR);
  await until("the connection ends", () => client.destroyed);
});

test("an instance that drains while its client goes disturbs nobody", async (t) => {
  const { proxy, sessions } = await startInstance(t, echo);
  for (let round = 0; round < 30; round += 1) {
    const client = await connectClient(t, proxy);
    client.destroy();
    if (round % 3 === 0) await new Promise(setImmediate);
    for (const session of sessions) if (!session.destroyed) session.goaway();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal((await answerTo(await connectClient(t, proxy), "/a.B/Call")).data, "hello");
});

test("a GOAWAY with an error keeps its code", async (t) => {
  const { proxy, sessions } = await startInstance(t, echo);
  const client = await connectClient(t, proxy);
  const goaway = once(client, "goaway");
  for (const session of sessions) session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from("too_many_pings"));
  const [code, , data] = await goaway;
  assert.equal(code, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  assert.equal(String(data), "too_many_pings");
  await until("the connection ends", () => client.destroyed);
});

for (const [how, lose] of [
  ["ends", ({ sockets }) => sockets.forEach((socket) => void socket.destroy())],
  ["resets", ({ sockets }) => sockets.forEach((socket) => void socket.resetAndDestroy())],
  [
    "ends after a GOAWAY, with calls under way,",
    ({ sessions, sockets }) => {
      for (const session of sessions) session.goaway();
      setTimeout(() => sockets.forEach((socket) => void socket.destroy()), 50);
    },
  ],
] as const satisfies readonly [string, (instance: Awaited<ReturnType<typeof startInstance>>) => void][])
  test(`a connection that the instance ${how} is lost to the client, not its streams alone`, async (t) => {
    const instance = await startInstance(t, echo);
    const client = await connectClient(t, instance.proxy);
    const stream = post(client);
    stream.write("hello");
    await once(stream, "data");
    const outcome = outcomeOf(stream);
    lose(instance);
    assert.equal((await outcome).trailer, undefined);
    await until("the connection is lost", () => client.destroyed);
  });

test("a connection that the client ends is ended to the instance", async (t) => {
  const { proxy, sessions } = await startInstance(t, echo);
  const client = await connectClient(t, proxy);
  post(client).write("hello");
  await until("it is there", () => sessions.size === 1);
  client.destroy();
  await until("it is gone", () => sessions.size === 0);
});

test("where there is no instance, connections are reset; they wait where it is not known yet", async (t) => {
  const { target, server } = await startInstance(t, echo);
  server.close();
  const proxy = await startFaultProxy();
  t.after(() => proxy.close());
  const early = connect(`http://${proxy.address}`);
  early.on("error", () => {});
  t.after(() => early.destroy());
  await once(early.socket, "connect");
  let settings = false;
  early.once("remoteSettings", () => {
    settings = true;
  });
  const lost = once(early, "error");
  proxy.setTarget(target);
  await lost;
  assert.equal(settings, false);
  const { target: other } = await startInstance(t, echo);
  proxy.setTarget(other);
  const stream = post(await connectClient(t, proxy));
  stream.end("hello");
  assert.equal((await outcomeOf(stream)).data, "hello");
});

const failures: readonly (readonly [FaultRule["fault"], object, boolean])[] = [
  [{ code: "UNAVAILABLE" }, { status: "14", trailer: undefined, data: "", rstCode: 0 }, false],
  [{ code: "INTERNAL", afterwards: true }, { status: "13", trailer: undefined, data: "", rstCode: 0 }, true],
  [{ reset: "stream" }, { status: undefined, trailer: undefined, data: "", rstCode: 2 }, false],
  [{ reset: "stream", afterwards: true }, { status: undefined, trailer: undefined, data: "", rstCode: 2 }, true],
];
for (const [fault, outcome, reaches] of failures)
  test(`fails calls with ${JSON.stringify(fault)}${reaches ? ", which the instance has answered" : ""}`, async (t) => {
    const { proxy, calls } = await startInstance(t, echo, { faults: [{ fault }] });
    const client = await connectClient(t, proxy);
    const failed = post(client);
    failed.end("hello");
    assert.deepEqual(await outcomeOf(failed), outcome);
    assert.equal(calls.length, reaches ? 1 : 0);
    proxy.setFaults([]);
    const well = post(client);
    well.end("hello");
    assert.deepEqual(await outcomeOf(well), { status: 200, trailer: "0", data: "hello", rstCode: 0 });
  });

test("fails calls with a message that is no well-formed text", async (t) => {
  const { proxy } = await startInstance(t, echo, { faults: [{ fault: { code: "UNAVAILABLE", message: "\ud800" } }] });
  const client = await connectClient(t, proxy);
  for (let n = 0; n < 2; n += 1) assert.equal((await answerTo(client, "/a.B/Call")).status, "14");
});

for (const afterwards of [false, true])
  test(`resets a connection, ${afterwards ? "once the instance has answered" : "which the instance does not notice"}`, async (t) => {
    const { proxy, calls } = await startInstance(t, echo, {
      faults: [{ method: "Reset", fault: { reset: "connection", afterwards } }],
    });
    const client = await connectClient(t, proxy);
    const lost = once(client, "error");
    post(client, "/a.B/Reset").end("hello");
    const [error] = await lost;
    assert.equal((error as { code?: unknown }).code, "ECONNRESET");
    assert.deepEqual(calls, afterwards ? ["/a.B/Reset"] : []);
  });

test("a call that is slowed arrives later and whole, unless it is given up before", async (t) => {
  const { proxy, calls } = await startInstance(t, echo, {
    faults: [{ fault: { latencyMs: 100, jitterMs: 100 } }],
    random: () => 0.5,
  });
  const client = await connectClient(t, proxy);
  const began = performance.now();
  const slow = post(client, "/a.B/Slow");
  slow.end("hello");
  const givenUp = post(client, "/a.B/GivenUp");
  givenUp.end("hello");
  setTimeout(() => givenUp.close(constants.NGHTTP2_CANCEL), 20);
  assert.deepEqual(await outcomeOf(slow), { status: 200, trailer: "0", data: "hello", rstCode: 0 });
  assert.ok(performance.now() - began >= 149);
  assert.deepEqual(calls, ["/a.B/Slow"]);
});

test("a black hole for calls never answers them, also when it is over; health checks and connections are spared", async (t) => {
  const { proxy, calls } = await startInstance(t, echo, { faults: [{ method: "*", fault: { blackHole: true } }] });
  const client = await connectClient(t, proxy);
  let answered = false;
  const lost = post(client, "/a.B/Lost");
  lost.once("response", () => {
    answered = true;
  });
  lost.end("hello");
  assert.equal((await answerTo(client, "/grpc.health.v1.Health/Check")).trailer, "0");
  proxy.setFaults([]);
  assert.equal((await answerTo(client, "/a.B/Well")).data, "hello");
  assert.equal(answered, false);
  assert.deepEqual(calls, ["/grpc.health.v1.Health/Check", "/a.B/Well"]);
  assert.equal(proxy.struck, 1);
});

test("a black hole for all silences connections: no SETTINGS, no PING's answer; all goes on when it is over", async (t) => {
  const streams: ServerHttp2Stream[] = [];
  const { proxy, calls } = await startInstance(t, (stream, headers) => {
    streams.push(stream);
    if (headers[":path"] === "/a.B/Pushed") stream.respond(ok);
    else echo(stream, headers);
  });
  const client = await connectClient(t, proxy);
  const other = await startInstance(t, echo);
  const witness = await connectClient(t, other.proxy);
  const pushed = post(client, "/a.B/Pushed");
  await once(pushed, "response");
  proxy.setFaults([{ fault: { blackHole: true } }]);
  const seen: string[] = [];
  const push = once(pushed.setEncoding("utf8"), "data").then(([data]) => seen.push(data));
  streams[0]?.write("pushed");
  const answer = answerTo(client, "/grpc.health.v1.Health/Check").then(({ data }) => seen.push(data));
  const ping = new Promise<void>((resolve) => client.ping(() => resolve(void seen.push("ping"))));
  const stuck = connect(`http://${proxy.address}`);
  stuck.on("error", () => {});
  t.after(() => stuck.destroy());
  const settings = once(stuck, "remoteSettings").then(() => seen.push("settings"));
  await once(stuck.socket, "connect");
  // That others are answered shows that there was time enough.
  for (let n = 0; n < 20; n += 1) await answerTo(witness, "/a.B/Call");
  assert.deepEqual(seen, []);
  assert.deepEqual(calls, ["/a.B/Pushed"]);
  assert.equal(proxy.struck, 2);
  proxy.setFaults([]);
  await Promise.all([answer, ping, settings, push]);
  assert.equal((await answerTo(stuck, "/a.B/Well")).data, "hello");
});

test("a standing connection meets a rule once, however often it is set, and again once it was gone", async (t) => {
  const numbers: number[] = [];
  const { proxy } = await startInstance(t, echo, {
    random: () => numbers.shift() ?? assert.fail("drawn once too often"),
  });
  const clients = [await connectClient(t, proxy), await connectClient(t, proxy)] as const;
  const half = { share: 0.5, fault: { blackHole: true } } as const;
  const struckBy = (rules: readonly FaultRule[], ...draws: number[]) => {
    numbers.push(...draws);
    const before = proxy.struck;
    proxy.setFaults(rules);
    assert.deepEqual(numbers, []);
    return proxy.struck - before;
  };
  const other = { method: "Other", fault: { latencyMs: 1 } } as const;
  assert.equal(struckBy([half], 0.1, 0.9), 1);
  assert.equal(struckBy([other, { ...half }]), 0);
  assert.equal((await answerTo(clients[1], "/a.B/Call")).data, "hello");
  // Rules that are alike are rules of their own: the first is known, and the second one is met by who was spared.
  assert.equal(struckBy([half, half], 0.9), 0);
  assert.equal(struckBy([]), 0);
  assert.equal((await answerTo(clients[0], "/a.B/Call")).data, "hello");
  assert.equal(struckBy([half], 0.1, 0.1), 2);
});

test("a new connection in a black hole stays there when the instance's address changes, and is counted once", async (t) => {
  const { proxy, target } = await startInstance(t, echo, {
    faults: [{ share: 0.5, fault: { blackHole: true } }],
    random: () => (proxy.struck === 0 ? 0.1 : 0.9),
  });
  const client = connect(`http://${proxy.address}`);
  client.on("error", () => {});
  t.after(() => client.destroy());
  await until("it is taken", () => proxy.struck === 1);
  let answered = false;
  const settings = once(client, "remoteSettings").then(() => (answered = true));
  proxy.setTarget(target);
  assert.equal((await answerTo(await connectClient(t, proxy), "/a.B/Call")).data, "hello");
  assert.equal(answered, false);
  assert.equal(proxy.struck, 1);
  proxy.setFaults([]);
  await settings;
});

test("a share of the calls fails", async (t) => {
  const numbers = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7];
  const { proxy } = await startInstance(t, echo, {
    faults: [{ share: 0.25, fault: { code: "ABORTED" } }],
    random: () => numbers.shift() ?? assert.fail(),
  });
  const client = await connectClient(t, proxy);
  const statuses: unknown[] = [];
  while (numbers.length > 0) {
    const stream = post(client);
    stream.end();
    statuses.push((await outcomeOf(stream)).status);
  }
  assert.deepEqual(statuses, ["10", 200, "10", 200, 200, 200]);
  assert.equal(proxy.struck, 2);
  assert.equal(await (await fetch(controlOf(proxy).replace("faults", "struck"))).json(), 2);
});

test("rules are read and set over HTTP while it runs; wrong ones are refused and change nothing", async (t) => {
  const { proxy } = await startInstance(t, echo);
  const rules = [{ method: "Call", fault: { code: "UNAVAILABLE", message: "50 % off" } }];
  const put = (body: string) => fetch(controlOf(proxy), { method: "PUT", body });
  assert.deepEqual(await (await put(JSON.stringify(rules))).json(), rules);
  const stream = post(await connectClient(t, proxy));
  const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
  assert.equal(headers["grpc-status"], "14");
  assert.equal(decodeURIComponent(String(headers["grpc-message"])), "50 % off");
  for (const [body, says] of [
    ["[{", /^faults must be JSON: /],
    ['[{"fault":{"code":"NONE"}}]', /^faults\[0\]\.fault\.code must be one of /],
  ] as const) {
    const refused = await put(body);
    assert.equal(refused.status, 400);
    assert.match(((await refused.json()) as { error: string }).error, says);
  }
  assert.deepEqual(await (await fetch(controlOf(proxy))).json(), rules);
  assert.deepEqual(proxy.faults, rules);
  assert.equal((await fetch(controlOf(proxy), { method: "POST" })).status, 405);
  assert.equal((await fetch(controlOf(proxy).replace("faults", "fault"))).status, 404);
});

test("closing resets all connections, those that wait included", async (t) => {
  const { proxy, sessions } = await startInstance(t, echo);
  const client = await connectClient(t, proxy);
  proxy.setFaults([{ fault: { blackHole: true } }]);
  const [host = "", port] = proxy.address.split(":");
  const socket = connectTcp(Number(port), host);
  const lost = [once(socket, "error"), once(client, "error")];
  await once(socket, "connect");
  await until("it is taken", () => proxy.struck === 2);
  await proxy.close();
  await Promise.all(lost);
  await until("the instance knows", () => sessions.size === 0);
});
