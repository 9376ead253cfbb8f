import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync, gunzipSync, gzipSync, inflateSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { EchoRequestSchema, EchoResponseSchema } from "@shoal/contracts/echo/v1/echo_service";
import { AppError, isAppError } from "@shoal/kernel";
import { framed } from "../hardening/raw-client.ts";
import { answer, clientOf, data, headers, parcel, startRawServer, trailers } from "../hardening/raw-server.ts";
import { startTested } from "../hardening/tested-server.ts";
import { Metadata } from "../index.ts";

const options = { timeoutMs: 20_000 };
const grpc = { ":status": "200", "content-type": "application/grpc" };

/** A message with a payload, and so with at least as many bytes. */
const sized = (bytes: number) => ({ parcel: { payload: new Uint8Array(bytes) } });

/** How many bytes a request with a payload has. */
const sizeOf = (bytes: number) => toBinary(EchoRequestSchema, create(EchoRequestSchema, sized(bytes))).length;

async function* once<T>(item: T) {
  yield item;
}

async function last<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  let seen: T | undefined;
  for await (const item of items) seen = item;
  return seen;
}

type TestClient = ReturnType<typeof clientOf>;

/** A call of each kind with a request of so many bytes, and, of those that echo it, as large an answer. */
const kinds = {
  Echo: (client: TestClient, bytes: number) => client.echo(sized(bytes), options),
  Collect: (client: TestClient, bytes: number) => client.collect(once(sized(bytes)), options),
  Repeat: (client: TestClient, bytes: number) => last(client.repeat({ ...sized(bytes), count: 1n }, options)),
  Converse: (client: TestClient, bytes: number) => last(client.converse(once(sized(bytes)), options)),
};

const each = (policy: object) =>
  Object.fromEntries(Object.keys(kinds).map((name) => [`/shoal.echo.v1.EchoService/${name}`, policy]));

const tooLarge = (reason: string) => (error: unknown) => isAppError(error, reason) && error.kind === "exhausted";

for (const [name, call] of Object.entries(kinds)) {
  test(`${name}: a request over the limit is refused by its caller, and one within it is not`, async (t) => {
    const { port, ends } = await startTested(t);
    const client = clientOf(t, port, { policies: each({ maxRequestBytes: sizeOf(1_000) + 2 }) });
    await assert.rejects(call(client, 1_003), tooLarge("REQUEST_TOO_LARGE"));
    await call(client, 1_000);
    const refused = ends.filter(({ code }) => code !== "OK");
    // A call that begins without its requests has begun when the first of them turns out to be too large.
    if (name === "Echo" || name === "Repeat") assert.equal(refused.length, 0);
    else for (const { code } of refused) assert.equal(code, "CANCELLED");
  });

  if (name !== "Collect")
    test(`${name}: an answer over the limit is refused by either side, and one within it by none`, async (t) => {
      const policies = each({ maxResponseBytes: sizeOf(1_000) + 2 });
      const open = await startTested(t);
      const strict = await startTested(t, {}, { policies });
      const strictClient = clientOf(t, open.port, { policies });
      const openClient = clientOf(t, strict.port);
      for (const client of [strictClient, openClient]) {
        await assert.rejects(call(client, 1_003), tooLarge("RESPONSE_TOO_LARGE"));
        await call(client, 1_000);
      }
    });

  test(`${name}: where both sides allow more than 4 MiB, more is taken`, async (t) => {
    const policies = each({ maxRequestBytes: 6_000_000, maxResponseBytes: 6_000_000 });
    const { port } = await startTested(t, {}, { policies });
    await call(clientOf(t, port, { policies }), 5_500_000);
    await assert.rejects(call(clientOf(t, port), 5_500_000), tooLarge("REQUEST_TOO_LARGE"));
  });
}

test("a request over the limit is not sent, nor is a connection made for it", async (t) => {
  const server = await startRawServer(t, () => answer());
  const client = clientOf(t, server.port);
  await assert.rejects(client.echo(sized(5_000_000)), tooLarge("REQUEST_TOO_LARGE"));
  await assert.rejects(client.repeat(sized(5_000_000)).next(), tooLarge("REQUEST_TOO_LARGE"));
  assert.deepEqual([server.calls, server.connections], [0, 0]);
});

const coders = {
  gzip: { zip: gzipSync, unzip: gunzipSync },
  deflate: { zip: deflateSync, unzip: inflateSync },
} as const;

for (const compression of ["gzip", "deflate"] as const) {
  const { zip, unzip } = coders[compression];

  test(`${compression}: requests of 1 KiB and more are compressed, unless the call says no`, async (t) => {
    const server = await startRawServer(t, () => answer());
    const client = clientOf(t, server.port, { compression });
    await client.echo(sized(1_024), options);
    await client.echo(sized(1_000), options);
    await client.echo(sized(5_000), { ...options, compress: false });
    await last(client.repeat(sized(5_000), { ...options, compress: true }));
    const flags = server.requests.map((request) => request[0]);
    assert.deepEqual(flags, [1, 0, 0, 1]);
    const request = server.requests[3] ?? Buffer.alloc(0);
    assert.equal(request.readUInt32BE(1), request.length - 5);
    assert.ok(request.length < 500);
    assert.equal(fromBinary(EchoRequestSchema, unzip(request.subarray(5))).parcel?.payload.length, 5_000);
  });

  test(`${compression}: our own server reads what our client compresses, of every kind`, async (t) => {
    const { port } = await startTested(t);
    const client = clientOf(t, port, { compression });
    for (const call of Object.values(kinds)) await call(client, 100_000);
    assert.equal((await client.echo(sized(100_000), options)).parcel?.payload.length, 100_000);
  });

  test(`${compression}: compressed answers are read by a client that compresses nothing`, async (t) => {
    const large = toBinary(EchoResponseSchema, create(EchoResponseSchema, sized(100_000)));
    const mixed = [data(framed(zip(large), { flag: 1 })), data(framed(parcel)), data(framed(zip(large), { flag: 1 }))];
    const head = headers({ ...grpc, "grpc-encoding": compression });
    const server = await startRawServer(t, () => [head, ...mixed, trailers()]);
    const sizes: unknown[] = [];
    for await (const { parcel } of clientOf(t, server.port).repeat({}, options)) sizes.push(parcel?.payload.length);
    assert.deepEqual(sizes, [100_000, 0, 100_000]);
  });

  test(`${compression}: a server that does not take it gets requests as they are from then on`, async (t) => {
    const head = headers({ ...grpc, "grpc-accept-encoding": "identity" });
    const server = await startRawServer(t, () => [head, ...answer().slice(1)]);
    const client = clientOf(t, server.port, { compression });
    for (let n = 0; n < 3; n += 1) await client.echo(sized(5_000), options);
    const flags = server.requests.map((request) => request[0]);
    assert.deepEqual(flags, [1, 0, 0]);
  });
}

test("a client that compresses nothing sends large requests as they are, and refuses to be told otherwise", async (t) => {
  const server = await startRawServer(t, () => answer());
  const client = clientOf(t, server.port);
  await client.echo(sized(5_000), options);
  assert.equal(server.requests[0]?.[0], 0);
  const told = { ...options, compress: true };
  await assert.rejects(client.echo({}, told), { name: "RangeError", message: /^compress: .*compression/ });
  assert.throws(() => client.repeat({}, told), { name: "RangeError", message: /^compress: .*compression/ });
});

const texts = {
  "two languages and a fish": "größer als erlaubt 太大 🐟",
  "percent signs": "100% of %41 and %",
  "line ends and other controls": "a\r\nb\tc\u0000d\u007f",
  "reserved characters": ";,/?:@&=+$#-_.!~*'()[]{}<>|\\^`\"",
  "half a surrogate pair": "a\ud83d",
};

for (const [name, message] of Object.entries(texts))
  test(`a status message of ${name} arrives as it was sent`, async (t) => {
    const failure = () => new AppError({ kind: "stale", reason: "TEST", domain: "shoal.test", message });
    const { port } = await startTested(t, {
      echo: () => Promise.reject(failure()),
      repeat: async function* () {
        yield {};
        throw failure();
      },
    });
    const client = clientOf(t, port);
    for (const call of [client.echo({}, options), last(client.repeat({}, options))])
      await assert.rejects(call, (error) => {
        assert.ok(isAppError(error, "TEST"), String(error));
        assert.equal(error.message, message.toWellFormed());
        return true;
      });
  });

test("a status message that another server has encoded as gRPC asks for is understood", async (t) => {
  const message = "größer / 100% #1 %2F\n🐟";
  const encoded = [...Buffer.from(message)].map((byte) => {
    const text = String.fromCharCode(byte);
    return /^[ -$&-~]$/.test(text) ? text : `%${byte.toString(16).padStart(2, "0")}`;
  });
  const fields = { ...grpc, "grpc-status": "10", "grpc-message": encoded.join("") };
  const server = await startRawServer(t, () => [headers(fields, { end: true })]);
  await assert.rejects(clientOf(t, server.port).echo({}, options), (error) => {
    assert.ok(isAppError(error));
    assert.deepEqual([error.kind, error.message], ["stale", message]);
    return true;
  });
});

test("keys that come several times, and bytes, reach the caller whole, whatever the call's end", async (t) => {
  const bytes = Buffer.from([0, 255, 1]);
  const own = [
    ["x-many", "a"],
    ["x-many", "b"],
    ["x-bytes-bin", bytes.toString("base64")],
    ["x-bytes-bin", bytes.toString("base64").replace(/=+$/, "")],
  ] as const;
  for (const status of ["0", "9"]) {
    const head = headers([...Object.entries(grpc), ...own]);
    const tail = trailers([["grpc-status", status], ...own]);
    const server = await startRawServer(t, () => [head, data(framed(parcel)), tail]);
    const seen: Metadata[] = [];
    const order: string[] = [];
    const onHeaders = (metadata: Metadata) => {
      order.push("headers");
      seen.push(metadata);
    };
    const onTrailers = (metadata: Metadata) => {
      order.push("trailers");
      seen.push(metadata);
    };
    const client = clientOf(t, server.port);
    const call = (async () => {
      for await (const _ of client.repeat({}, { ...options, onHeaders, onTrailers })) order.push("answer");
    })();
    const [{ status: outcome }] = await Promise.allSettled([call]);
    assert.equal(outcome, status === "0" ? "fulfilled" : "rejected");
    assert.deepEqual(
      order.filter((what) => what !== "answer"),
      ["headers", "trailers"],
    );
    for (const metadata of seen) {
      assert.equal(metadata.get("x-many").join(", "), "a, b");
      assert.deepEqual(metadata.get("x-bytes-bin"), [bytes, bytes]);
    }
  }
});

test("a callback for headers or trailers that throws fails its call with that, and nothing else", async (t) => {
  const server = await startRawServer(t, () => answer());
  const client = clientOf(t, server.port);
  const thrown = new Error("from the callback");
  const fail = () => {
    throw thrown;
  };
  for (const callbacks of [{ onHeaders: fail }, { onTrailers: fail }]) {
    await assert.rejects(client.echo({}, { ...options, ...callbacks }), thrown);
    await assert.rejects(last(client.repeat({}, { ...options, ...callbacks })), thrown);
    await client.echo({}, options);
  }
  assert.equal(server.connections, 1);
});

test("metadata that a call is given is copied, and sent with each key's values in their order", async (t) => {
  const { port, entered } = await startTested(t);
  const client = clientOf(t, port);
  const metadata = new Metadata();
  metadata.add("x-many", "a");
  metadata.add("x-many", "b");
  metadata.add("x-bytes-bin", Buffer.from([0, 255, 1]));
  metadata.add("x-bytes-bin", Buffer.from([2]));
  const call = client.echo({}, { ...options, metadata });
  metadata.set("x-many", "changed");
  await call;
  const seen = entered[0]?.requestMetadata;
  assert.equal(seen?.get("x-many").join(", "), "a, b");
  assert.deepEqual(seen?.get("x-bytes-bin"), [Buffer.from([0, 255, 1]), Buffer.from([2])]);
});
