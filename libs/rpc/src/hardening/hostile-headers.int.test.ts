import assert from "node:assert/strict";
import { test } from "node:test";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { createClient } from "../client/client.ts";
import { createServer, defaultServerOptions } from "../server/server.ts";
import { FrameConnection, goodRequest, http2Codes, paths, type RawReply } from "./raw-client.ts";
import { eventually, startTested } from "./tested-server.ts";

const malformedTimeouts = ["abc1Sxyz", "100000000m", "", "1s", "-1S", "1", "S", "1 S", "1.5S", "+1S", "0x1S", "1S, 2S"];

test("a timeout that is not gRPC's syntax is refused before the handler", async (t) => {
  const tested = await startTested(t);
  const raw = tested.raw();
  for (const timeout of malformedTimeouts)
    for (const path of [paths.echo, paths.collect]) {
      const reply = await raw.call(path, { headers: { "grpc-timeout": timeout }, body: goodRequest });
      assert.deepEqual([reply.status, reply.error.reason], ["INVALID_ARGUMENT", "TIMEOUT_MALFORMED"], `"${timeout}"`);
    }
  assert.deepEqual([tested.entered.length, tested.ends.length], [0, 0]);
  await tested.stillServes(raw);
});

test("a timeout with white space around it is dropped by HTTP/2 itself: the call has no deadline", async (t) => {
  const tested = await startTested(t);
  for (const timeout of [" 1S", "1S ", "\t1S"]) {
    const connection = await FrameConnection.open(tested.port);
    t.after(() => connection.destroy());
    connection.headers(1, paths.echo, { "grpc-timeout": timeout });
    connection.data(1, goodRequest, { end: true });
    await eventually(() => connection.hasEnded(1));
    assert.equal(tested.entered.at(-1)?.deadline, Number.POSITIVE_INFINITY, `"${timeout}"`);
  }
  await tested.stillServes();
});

for (const timeout of ["597H", "99999999H", "99999999M", "99999999S", "596H"])
  test(`a timeout of ${timeout} is a deadline far away, and not one that has passed`, async (t) => {
    const tested = await startTested(t);
    const raw = tested.raw();
    const { status } = await raw.call(paths.echo, { headers: { "grpc-timeout": timeout }, body: goodRequest });
    assert.equal(status, "OK");
    const left = (tested.entered[0]?.deadline ?? 0) - Date.now();
    assert.ok(left > 20 * 86_400_000, `${left} ms are left`);
    await tested.stillServes(raw);
  });

for (const timeout of ["0n", "0S", "1n", "999u"])
  test(`a timeout of ${timeout} has passed before the handler`, async (t) => {
    const tested = await startTested(t);
    const raw = tested.raw();
    for (const path of Object.values(paths)) {
      const reply = await raw.call(path, { headers: { "grpc-timeout": timeout }, body: goodRequest });
      assert.equal(reply.status, "DEADLINE_EXCEEDED", path);
    }
    assert.equal(tested.entered.length, 0);
    await tested.stillServes(raw);
    for (const { code } of tested.ends) assert.equal(code, "DEADLINE_EXCEEDED");
  });

interface HeaderCase {
  readonly headers: Record<string, string | undefined>;
  readonly path?: string;
  readonly gets: readonly [httpStatus: number, status?: string];
}

const withType = (type: string | undefined) => ({ headers: { "content-type": type } });
const headerCases: readonly HeaderCase[] = [
  ...["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc ; a=b"].map(
    (type): HeaderCase => ({ ...withType(type), gets: [200, "OK"] }),
  ),
  ...[
    "application/json",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc+json",
    "application/grpcfoo",
    "application/grpc+protofoo",
    "text/plain;application/grpc",
    "",
    undefined,
  ].map((type): HeaderCase => ({ ...withType(type), gets: [415] })),
  ...["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"].map(
    (method): HeaderCase => ({ headers: { ":method": method }, gets: [405] }),
  ),
  ...["/", "/shoal.echo.v1.EchoService", "/shoal.echo.v1.EchoService/echo", `${paths.echo}/`, `${paths.echo}?a`].map(
    (path): HeaderCase => ({ headers: {}, path, gets: [200, "UNIMPLEMENTED"] }),
  ),
  ...["/__proto__", "/constructor", "/toString/valueOf"].map(
    (path): HeaderCase => ({ headers: {}, path, gets: [200, "UNIMPLEMENTED"] }),
  ),
];

test("wrong content types, HTTP methods and paths get their HTTP or gRPC status before any handler", async (t) => {
  const tested = await startTested(t);
  const raw = tested.raw();
  for (const { headers, path = paths.echo, gets } of headerCases) {
    const { httpStatus, status } = await raw.call(path, { headers, body: goodRequest });
    assert.deepEqual([httpStatus, status], [gets[0], gets[1]], `${path} ${JSON.stringify(headers)}`);
  }
  await tested.stillServes(raw);
  const accepted = headerCases.filter(({ gets }) => gets[1] === "OK");
  assert.equal(tested.entered.length, accepted.length);
});

/** Entries that count `bytes` as HTTP/2 does: 32 bytes more than each has. */
function entries(bytes: number, count: number): Record<string, string> {
  const each = Math.floor(bytes / count);
  const lengths = Array.from({ length: count }, (_, n) => (n === 0 ? bytes - each * (count - 1) : each));
  return Object.fromEntries(
    lengths.map((length, n) => {
      const name = `x-filler-${n}`;
      return [name, "v".repeat(length - 32 - name.length)];
    }),
  );
}

function sizeOf(headers: Record<string, string>): number {
  return Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
}

test("metadata up to the bound is taken, and beyond it the call is refused", async (t) => {
  const tested = await startTested(t);
  const raw = await tested.raw().ready();
  const { maxMetadataBytes } = defaultServerOptions;
  assert.equal(raw.session.remoteSettings.maxHeaderListSize, maxMetadataBytes);
  const fixed = { ":method": "POST", ":path": paths.echo, ":scheme": "http", "content-type": "application/grpc" };
  const authority = `127.0.0.1:${tested.port}`;
  const taken = maxMetadataBytes - sizeOf({ ...fixed, ":authority": authority, te: "trailers" });
  const refused = ({ status, resetCode }: RawReply) =>
    status === undefined && resetCode === http2Codes.ENHANCE_YOUR_CALM;
  // The server's bound holds once this client has acknowledged it, which it does before its first call.
  for (const count of [1, 3, 100]) {
    const fits = await raw.call(paths.echo, { headers: entries(taken, count), body: goodRequest });
    assert.equal(fits.status, "OK", `${count} entries`);
    const beyond = await raw.call(paths.echo, { headers: entries(taken + 1, count), body: goodRequest });
    assert.ok(refused(beyond), `${count} entries: ${beyond.status} ${beyond.resetCode}`);
  }
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`x${n}`, ""]));
  assert.ok(refused(await raw.call(paths.echo, { headers: many, body: goodRequest })), "300 entries");
  assert.equal(tested.entered.length, 3);
  await tested.stillServes(raw);
});

test("a flood of metadata ends the call or the connection, and nobody else's", async (t) => {
  const tested = await startTested(t);
  const raw = tested.raw();
  for (let round = 0; round < 20; round += 1) {
    const { status } = await raw.call(paths.echo, { headers: { "x-huge": "v".repeat(1_000_000) }, body: goodRequest });
    assert.equal(status, undefined);
    if (raw.session.destroyed) break;
  }
  assert.equal(tested.entered.length, 0);
  await tested.stillServes();
});

test("binary metadata that is no base64 harms nobody", async (t) => {
  const tested = await startTested(t);
  const raw = tested.raw();
  for (const value of ["!!!!", "a", "====", "AAA=A", "", ",,,", "%00", "AA==", "AA,BB,!"]) {
    const headers = { "x-thing-bin": value, "grpc-status-details-bin": value, "grpc-tags-bin": value };
    const { status } = await raw.call(paths.echo, { headers, body: goodRequest });
    assert.equal(status, "OK", value);
    for (const read of tested.entered.at(-1)?.requestMetadata.get("x-thing-bin") ?? [])
      assert.ok(Buffer.isBuffer(read));
  }
  await tested.stillServes(raw);
});

test("what is said twice, or in the server's own words, is not believed", async (t) => {
  const tested = await startTested(t);
  const raw = tested.raw();
  const headers = {
    "x-request-id": "a b",
    "x-shoal-malformed-timeout": "1",
    "x-shoal-priority": "__proto__",
    baggage: "a=%ff,__proto__=1,b=2",
    traceparent: "00-0-0-0",
    "grpc-encoding": "identity",
    "user-agent": "x".repeat(2_000),
  };
  assert.equal((await raw.call(paths.echo, { headers, body: goodRequest })).status, "OK");
  const { requestId, priority, baggage, traceparent } = tested.entered[0] ?? {};
  assert.match(requestId ?? "", /^[\w-]{36}$/);
  assert.deepEqual([priority, baggage?.get("b"), traceparent], ["default", "2", undefined]);
  await tested.stillServes(raw);
});

test("an option that grpc-js would ignore is an error at the start, and one that it knows is taken", async (t) => {
  const make = [
    (channelOptions: object) => createServer({ services: [], errorDomain: "shoal.test", channelOptions }),
    (channelOptions: object) => createClient(EchoService, { address: "127.0.0.1:1", channelOptions }),
  ];
  for (const create of make)
    for (const name of ["grpc.max_conection_age_ms", "grpc.http2.max_frame_size", "toString", "__proto_", ""])
      assert.throws(() => create({ [name]: 1 }), new RegExp(`grpc-js knows no option ${name.replaceAll(".", "\\.")}`));
  const channelOptions = { "grpc.max_connection_age_ms": 60_000, "grpc-node.max_session_memory": 100 };
  const tested = await startTested(t, {}, { channelOptions });
  using client = createClient(EchoService, {
    address: `127.0.0.1:${tested.port}`,
    channelOptions: { "grpc.primary_user_agent": "tested", "grpc.keepalive_permit_without_calls": 1 },
  });
  await client.echo({ parcel: { name: "taken" } });
  assert.match(String(tested.entered[0]?.requestMetadata.get("user-agent")), /^tested /);
});
