import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { framed, goodRequest, http2Codes, parcelBytes, paths, type RawCall } from "./raw-client.ts";
import { echoing, eventually, startTested } from "./tested-server.ts";

const bytes = parcelBytes();
const mebibyte = 1024 * 1024;

/** A parcel in a parcel in a parcel, written from the inside: `depth` messages, the request counted. */
function nested(depth: number): Buffer {
  let inner = Buffer.alloc(0);
  for (let n = 2; n < depth; n += 1) inner = Buffer.concat([Buffer.of(5 * 8 + 2), lengthOf(inner), inner]);
  return Buffer.concat([Buffer.of(1 * 8 + 2), lengthOf(inner), inner]);
}

function lengthOf({ length }: Buffer): Buffer {
  return length < 128 ? Buffer.of(length) : Buffer.of(128 + (length % 128), Math.floor(length / 128));
}

/** A request whose parcel has these bytes as its fields. */
function parcelOf(...fields: number[]): Buffer {
  return Buffer.from([0x0a, fields.length, ...fields]);
}

const gzip = { "grpc-encoding": "gzip" };
const zeros = gzipSync(Buffer.alloc(64 * mebibyte));
/** 1 MiB that inflates to 1 GiB: as much as gzip can. */
const bomb = Buffer.concat(Array.from({ length: 16 }, () => zeros));

interface MessageCase {
  readonly name: string;
  readonly call: RawCall;
  /** The gRPC status and the reason of unary calls. */
  readonly gets: readonly [status: string, reason: string];
  /** The same of client streams, where they get another. */
  readonly streamGets?: readonly [status: string, reason: string];
}

const malformed = (name: string, request: Buffer): MessageCase => ({
  name,
  call: { body: framed(request) },
  gets: ["INVALID_ARGUMENT", "REQUEST_MALFORMED"],
});
const badFlag = (name: string, call: RawCall): MessageCase => ({ name, call, gets: ["INTERNAL", "INTERNAL"] });

const refused: readonly MessageCase[] = [
  malformed("a field that ends before its length", Buffer.of(0x0a, 0x05, 0x0a)),
  malformed("a tag of field 0", Buffer.of(0x02, 0x00)),
  malformed("a wire type that does not exist", Buffer.of(0x0f, 0x00)),
  malformed("a varint that never ends", Buffer.alloc(40, 0xff)),
  malformed("a group that is not closed", Buffer.of(0x0b)),
  malformed("a group that was not opened", Buffer.of(0x0c)),
  malformed("groups without end", Buffer.alloc(10_000, 0x0b)),
  malformed("a length of 4 GiB-1 within a message", Buffer.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f)),
  malformed("noise", Buffer.from(Array.from({ length: 1_000 }, (_, n) => (n * 7_919 + 13) % 251))),
  malformed("text that is not UTF-8", parcelOf(0x0a, 0x02, 0xc3, 0x28)),
  malformed("text with a surrogate", parcelOf(0x0a, 0x03, 0xed, 0xa0, 0x80)),
  malformed("101 messages within each other", nested(101)),
  malformed("10,000 messages within each other, as far as lengths go", nested(3_000)),
  {
    name: "a prefix longer than what comes",
    call: { body: framed(bytes, { length: bytes.length + 1 }) },
    gets: ["INVALID_ARGUMENT", "REQUEST_TRUNCATED"],
  },
  {
    name: "a whole message and then half of one",
    call: { body: Buffer.concat([goodRequest, goodRequest.subarray(0, 7)]) },
    gets: ["INVALID_ARGUMENT", "REQUEST_TRUNCATED"],
  },
  {
    name: "a prefix that is not whole",
    call: { body: Buffer.of(0, 0, 0) },
    gets: ["INVALID_ARGUMENT", "REQUEST_TRUNCATED"],
  },
  {
    name: "a prefix shorter than what comes",
    call: { body: framed(Buffer.concat([bytes, Buffer.alloc(3)]), { length: bytes.length - 1 }) },
    gets: ["INVALID_ARGUMENT", "REQUEST_TRUNCATED"],
    // The first message is read before the second one turns out to be none.
    streamGets: ["INVALID_ARGUMENT", "REQUEST_MALFORMED"],
  },
  {
    name: "a length of 4 GiB-1",
    call: { body: framed(bytes, { length: 2 ** 32 - 1 }), end: false },
    gets: ["RESOURCE_EXHAUSTED", "REQUEST_TOO_LARGE"],
  },
  {
    name: "a byte more than the limit",
    call: { body: framed(Buffer.alloc(4 * mebibyte + 1)) },
    gets: ["RESOURCE_EXHAUSTED", "REQUEST_TOO_LARGE"],
  },
  ...[2, 3, 127, 128, 254, 255].map((flag) => badFlag(`compressed flag ${flag}`, { body: framed(bytes, { flag }) })),
  badFlag("compressed flag 2 with an encoding", { headers: gzip, body: framed(gzipSync(bytes), { flag: 2 }) }),
  badFlag("compressed without an encoding", { body: framed(gzipSync(bytes), { flag: 1 }) }),
  badFlag("not compressed, but flagged so", { body: framed(bytes, { flag: 1 }) }),
  badFlag("compressed with the encoding identity", {
    headers: { "grpc-encoding": "identity" },
    body: framed(bytes, { flag: 1 }),
  }),
  badFlag("gzip that is none", { headers: gzip, body: framed(bytes, { flag: 1 }) }),
  badFlag("gzip of nothing", { headers: gzip, body: framed(Buffer.alloc(0), { flag: 1 }) }),
  badFlag("gzip that ends too early", { headers: gzip, body: framed(gzipSync(bytes).subarray(0, -9), { flag: 1 }) }),
  badFlag("gzip with a wrong checksum", {
    headers: gzip,
    body: framed(Buffer.concat([gzipSync(bytes).subarray(0, -8), Buffer.alloc(8)]), { flag: 1 }),
  }),
  badFlag("deflate that is gzip", {
    headers: { "grpc-encoding": "deflate" },
    body: framed(gzipSync(bytes), { flag: 1 }),
  }),
  ...["br", "zstd", "gzip, gzip", "__proto__"].map(
    (encoding): MessageCase => ({
      name: `the unknown encoding ${encoding}`,
      call: { headers: { "grpc-encoding": encoding }, body: framed(brotliCompressSync(bytes), { flag: 1 }) },
      gets: ["UNIMPLEMENTED", "ENCODING_UNKNOWN"],
    }),
  ),
  {
    name: "a gzip bomb",
    call: { headers: gzip, body: framed(bomb, { flag: 1 }) },
    gets: ["RESOURCE_EXHAUSTED", "REQUEST_TOO_LARGE"],
  },
];

for (const { name, call, gets, streamGets = gets } of refused)
  test(`${name} is refused`, async (t) => {
    const tested = await startTested(t);
    const raw = tested.raw();
    const rssBefore = process.memoryUsage().rss;
    const [unary, stream] = [await raw.call(paths.echo, call), await raw.call(paths.collect, call)];
    const grown = process.memoryUsage().rss - rssBefore;
    assert.deepEqual([unary.status, unary.error.reason], gets);
    assert.deepEqual([stream.status, stream.error.reason], streamGets);
    assert.ok(grown < 100 * mebibyte, `memory grew by ${grown} bytes`);
    assert.equal(tested.entered.filter(({ method }) => method.name === "Echo").length, 0);
    if (gets[0] === "UNIMPLEMENTED" && call.headers !== undefined)
      assert.equal(unary.fields["grpc-accept-encoding"], "identity,deflate,gzip");
    await tested.stillServes(raw);
    // The access log says what the caller was told.
    for (const { path, code } of tested.ends) assert.equal(code, path === paths.echo ? gets[0] : streamGets[0], path);
  });

const accepted: readonly (RawCall & { readonly name: string })[] = [
  { name: "100 messages within each other", body: framed(nested(100)) },
  { name: "an empty message", body: framed(Buffer.alloc(0)) },
  { name: "unknown fields", body: framed(Buffer.of(0xfa, 0x3f, 0x01, 0x61)) },
  { name: "gzip", headers: gzip, body: framed(gzipSync(bytes), { flag: 1 }) },
  { name: "deflate", headers: { "grpc-encoding": "deflate" }, body: framed(deflateSync(bytes), { flag: 1 }) },
  { name: "an encoding that is not used", headers: { "grpc-encoding": "br" }, body: framed(bytes) },
  { name: "gzip of an empty message", headers: gzip, body: framed(gzipSync(""), { flag: 1 }) },
];

test("what is unusual, but right, is served", async (t) => {
  const tested = await startTested(t);
  const raw = tested.raw();
  for (const { name, ...call } of accepted)
    for (const path of [paths.echo, paths.collect]) assert.equal((await raw.call(path, call)).status, "OK", name);
  await tested.stillServes(raw);
});

test("a unary call takes one request, neither none nor two", async (t) => {
  const tested = await startTested(t);
  const raw = tested.raw();
  for (const path of [paths.echo, paths.repeat]) {
    const none = await raw.call(path);
    assert.deepEqual([none.status, none.error.reason], ["UNIMPLEMENTED", "NO_REQUEST"]);
    const two = await raw.call(path, { body: Buffer.concat([goodRequest, goodRequest]), end: false });
    assert.deepEqual([two.status, two.error.reason], ["UNIMPLEMENTED", "SECOND_REQUEST"]);
  }
  assert.equal((await raw.call(paths.collect)).status, "OK");
  assert.equal(tested.entered.length, 1);
  await tested.stillServes(raw);
});

test("many gzip bombs at once leave memory bounded", async (t) => {
  const tested = await startTested(t);
  const raw = tested.raw();
  const rssBefore = process.memoryUsage().rss;
  const replies = await Promise.all(
    Array.from({ length: 8 }, () => raw.call(paths.echo, { headers: gzip, body: framed(bomb, { flag: 1 }) })),
  );
  for (const { status } of replies) assert.equal(status, "RESOURCE_EXHAUSTED");
  const grown = process.memoryUsage().rss - rssBefore;
  t.diagnostic(`memory grew by ${Math.round(grown / mebibyte)} MiB`);
  assert.ok(grown < 150 * mebibyte, `memory grew by ${grown} bytes`);
  await tested.stillServes(raw);
});

test("a train of messages that inflate waits for its handler, and memory with it", async (t) => {
  const tested = await startTested(t, {
    collect: async (_, { signal }) => {
      await once(signal, "abort");
      return {};
    },
  });
  const raw = tested.raw();
  const rssBefore = process.memoryUsage().rss;
  const carriage = framed(gzipSync(Buffer.alloc(4 * mebibyte)), { flag: 1 });
  const stream = raw.begin(paths.collect, { headers: gzip, end: false });
  for (let n = 0; n < 100; n += 1) stream.write(carriage);
  await eventually(() => tested.entered.length === 1);
  // Another call on the connection is answered after what has come of the train was taken in.
  for (let n = 0; n < 20; n += 1) assert.equal((await raw.call(paths.echo, { body: goodRequest })).status, "OK");
  const grown = process.memoryUsage().rss - rssBefore;
  t.diagnostic(`memory grew by ${Math.round(grown / mebibyte)} MiB`);
  assert.ok(grown < 100 * mebibyte, `memory grew by ${grown} bytes`);
  stream.close(http2Codes.CANCEL);
  await tested.stillServes(raw);
});

test("a stream that breaks off in the midst of a message fails its handler, however much came before", async (t) => {
  const failures: unknown[] = [];
  const tested = await startTested(t, {
    collect: async (requests, context) =>
      echoing.collect(requests, context).catch((e) => Promise.reject(failures.push(e) && e)),
  });
  const raw = tested.raw();
  for (const cut of [1, 4, 5, 6, goodRequest.length - 1]) {
    const body = Buffer.concat([...Array.from({ length: 100 }, () => goodRequest), goodRequest.subarray(0, cut)]);
    const { status, error } = await raw.call(paths.collect, { body });
    assert.deepEqual([status, error.reason], ["INVALID_ARGUMENT", "REQUEST_TRUNCATED"]);
  }
  assert.equal(failures.length, 5);
  await tested.stillServes(raw);
});
