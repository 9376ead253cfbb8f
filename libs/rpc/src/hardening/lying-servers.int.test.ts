import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import type { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { ErrorInfoSchema } from "@shoal/contracts/google/rpc/error_details";
import { StatusSchema } from "@shoal/contracts/google/rpc/status";
import { isAppError } from "@shoal/kernel";
import type { Client } from "../client/client.ts";
import { framed } from "./raw-client.ts";
import { answer, clientOf, data, headers, parcel, type Step, startRawServer, trailers } from "./raw-server.ts";
import { eventually } from "./tested-server.ts";

type EchoClient = Client<typeof EchoService>;

const options = { timeoutMs: 20_000 };

const calls = {
  unary: (client: EchoClient) => client.echo({}, options),
  stream: async (client: EchoClient) => {
    for await (const _ of client.repeat({}, options));
  },
};

type Kind = keyof typeof calls;
const kinds: readonly Kind[] = ["unary", "stream"];

const ok = { "grpc-status": "0" };
const grpc = { ":status": "200", "content-type": "application/grpc" };
const html = Buffer.from("<html><body><h1>Please log in</h1></body></html>");

interface Lie {
  readonly steps: readonly Step[];
  readonly kind: string;
  readonly reason: string;
  readonly message?: RegExp;
  /** Calls that it is a lie to; all if nothing else is said. */
  readonly to?: readonly Kind[];
}

const malformed = Buffer.of(0x0a, 0xff, 0xff);
const zipped = { ...grpc, "grpc-encoding": "gzip" };

function failing(fields: Record<string, string>): readonly Step[] {
  return [headers({ ...grpc, ...fields }, { end: true })];
}

function page(status: string, body?: Buffer): readonly Step[] {
  const fields = { ":status": status, "content-type": "text/html" };
  return body === undefined ? [headers(fields, { end: true })] : [headers(fields), data(body, { end: true })];
}

const pages = (
  [
    ["400", "internal", "INTERNAL"],
    ["401", "unauthenticated", "UNAUTHENTICATED"],
    ["403", "forbidden", "PERMISSION_DENIED"],
    ["404", "unimplemented", "UNIMPLEMENTED"],
    ["429", "unavailable", "UNAVAILABLE"],
    ["500", "internal", "UNKNOWN"],
    ["502", "unavailable", "UNAVAILABLE"],
    ["503", "unavailable", "UNAVAILABLE"],
    ["504", "unavailable", "UNAVAILABLE"],
  ] as const
).flatMap(([status, kind, reason]) => [
  [`HTTP ${status}`, { steps: page(status), kind, reason }] as const,
  [`HTTP ${status} with a page`, { steps: page(status, html), kind, reason }] as const,
]);

const unknownStatus = { kind: "internal", reason: "UNKNOWN" };

const lies: Record<string, Lie> = {
  "status OK without an answer": {
    steps: [headers(), trailers()],
    kind: "internal",
    reason: "INTERNAL",
    message: /without the answer/,
    to: ["unary"],
  },
  "status OK without headers": { steps: failing(ok), kind: "internal", reason: "INTERNAL", to: ["unary"] },
  "two answers": {
    steps: [headers(), data(framed(parcel)), data(framed(parcel)), trailers()],
    kind: "internal",
    reason: "INTERNAL",
    message: /a second one/,
    to: ["unary"],
  },
  "an answer and half a second one": {
    steps: [headers(), data(framed(parcel)), data(framed(parcel).subarray(0, 7)), trailers()],
    kind: "internal",
    reason: "RESPONSE_TRUNCATED",
  },
  "an answer shorter than it promises": {
    steps: [headers(), data(framed(parcel, { length: parcel.length + 1 })), trailers()],
    kind: "internal",
    reason: "RESPONSE_TRUNCATED",
  },
  "half an answer's prefix": {
    steps: [headers(), data(Buffer.of(0, 0)), trailers()],
    kind: "internal",
    reason: "RESPONSE_TRUNCATED",
  },
  "bytes that are not the message": {
    steps: answer(malformed),
    kind: "internal",
    reason: "RESPONSE_MALFORMED",
  },
  "a message that is larger than any may be": {
    steps: [headers(), data(framed(Buffer.alloc(0), { length: 2 ** 32 - 1 }))],
    kind: "exhausted",
    reason: "RESPONSE_TOO_LARGE",
  },
  "an answer that is no gzip": {
    steps: [headers(zipped), data(framed(parcel, { flag: 1 })), trailers()],
    kind: "internal",
    reason: "INTERNAL",
    message: /decompress/,
  },
  "an answer whose gzip is cut off": {
    steps: [headers(zipped), data(framed(gzipSync(parcel).subarray(0, -9), { flag: 1 })), trailers()],
    kind: "internal",
    reason: "INTERNAL",
    message: /decompress/,
  },
  "an answer in an encoding that nobody knows": {
    steps: [headers({ ...grpc, "grpc-encoding": "magic" }), data(framed(parcel, { flag: 1 })), trailers()],
    kind: "internal",
    reason: "INTERNAL",
    message: /compressed/,
  },
  "a compressed answer without an encoding": {
    steps: [headers(), data(framed(gzipSync(parcel), { flag: 1 })), trailers()],
    kind: "internal",
    reason: "INTERNAL",
    message: /compressed/,
  },
  "a small answer that decompresses to 40 MB": {
    steps: [headers(zipped), data(framed(gzipSync(Buffer.alloc(40_000_000)), { flag: 1 })), trailers()],
    kind: "exhausted",
    reason: "RESPONSE_TOO_LARGE",
  },
  "HTTP 200 with a page": {
    steps: page("200", html),
    ...unknownStatus,
    message: /text\/html/,
  },
  ...Object.fromEntries(pages),
  "no trailers": {
    steps: [headers(), data(framed(parcel), { end: true })],
    kind: "unavailable",
    reason: "CONNECTION_LOST",
  },
  "trailers without a status": {
    steps: [headers(), data(framed(parcel)), trailers({ "x-other": "1" })],
    ...unknownStatus,
  },
  "a status that is no number": { steps: failing({ "grpc-status": "fine" }), ...unknownStatus },
  "a status that is no whole number": { steps: failing({ "grpc-status": "5.5" }), ...unknownStatus },
  "a status that there is none of": { steps: failing({ "grpc-status": "99" }), ...unknownStatus },
  "a negative status": { steps: failing({ "grpc-status": "-1" }), ...unknownStatus },
  "a message that is not percent-encoded as it must be": {
    steps: failing({ "grpc-status": "5", "grpc-message": "100% gr%C3%C3%ZZ" }),
    kind: "missing",
    reason: "NOT_FOUND",
    message: /^100% gr/,
  },
  "details that are not base64": {
    steps: failing({ "grpc-status": "5", "grpc-message": "no", "grpc-status-details-bin": "*\u00ff*,,,===" }),
    kind: "missing",
    reason: "NOT_FOUND",
  },
  "details that are no status": {
    steps: failing({ "grpc-status": "5", "grpc-status-details-bin": malformed.toString("base64") }),
    kind: "missing",
    reason: "NOT_FOUND",
  },
  "a detail that is not what it says": {
    steps: failing({ "grpc-status": "5", "grpc-status-details-bin": details(malformed) }),
    kind: "missing",
    reason: "NOT_FOUND",
  },
};

/** Details that hold an ErrorInfo with these bytes. */
function details(value: Buffer): string {
  const detail = {
    ...anyPack(ErrorInfoSchema, { $typeName: "google.rpc.ErrorInfo", reason: "", domain: "", metadata: {} }),
    value,
  };
  const status = toBinary(StatusSchema, { $typeName: "google.rpc.Status", code: 5, message: "", details: [detail] });
  return Buffer.from(status).toString("base64");
}

for (const [name, { steps, kind, reason, message = /./, to = kinds }] of Object.entries(lies))
  test(`${name}: the call fails (${kind}), and no other`, async (t) => {
    for (const method of to) {
      const server = await startRawServer(t, (n) => (n === 0 ? steps : answer()));
      const client = clientOf(t, server.port);
      await assert.rejects(calls[method](client), (error) => {
        assert.ok(isAppError(error), `${method}: ${error}`);
        assert.deepEqual([error.kind, error.reason], [kind, reason], `${method}: ${error.message}`);
        assert.match(error.message, message);
        return true;
      });
      await calls[method](client);
      assert.equal(server.connections, 1, `${method}: the connection is kept`);
    }
  });

const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`x-key-${n}`, "v"]));
const twice = (name: string, value: string) => [...Object.entries(grpc), [name, value], [name, value]] as const;

const large = (bytes: number) => ({ "x-large": "x".repeat(bytes) });
const refused = { kind: "internal", reason: "INTERNAL" };
const flooded = { kind: "exhausted", reason: "RESOURCE_EXHAUSTED" };
const lost = { kind: "unavailable", reason: "CONNECTION_LOST" };

/** Headers and trailers that are odd, and what a call with them fails with, if it does. */
const odd: Record<string, readonly [steps: readonly Step[], failure?: { kind: string; reason: string }]> = {
  "headers before the headers": [[headers({ ":status": "103", link: "</style.css>" }), ...answer()]],
  "headers of 40,000 bytes": [[headers({ ...grpc, ...large(40_000) }), ...answer().slice(1)]],
  "headers of a megabyte": [[headers({ ...grpc, ...large(1_000_000) }), ...answer().slice(1)], lost],
  "5,000 headers": [[headers({ ...grpc, ...many }), ...answer().slice(1)], flooded],
  "trailers of 40,000 bytes": [[...answer().slice(0, 2), trailers({ ...ok, ...large(40_000) })]],
  "trailers of a megabyte": [[...answer().slice(0, 2), trailers({ ...ok, ...large(1_000_000) })], lost],
  "5,000 trailers": [[...answer().slice(0, 2), trailers({ ...ok, ...many })], flooded],
  "headers twice": [[headers(), ...answer()], refused],
  "two HTTP statuses": [[headers(twice(":status", "200")), ...answer().slice(1)], refused],
  "an HTTP status that is no number": [[headers({ ...grpc, ":status": "fine" }), ...answer().slice(1)], refused],
  "no HTTP status": [[headers({ "content-type": "application/grpc" }), ...answer().slice(1)], refused],
  "two statuses": [
    [
      ...answer().slice(0, 2),
      trailers([
        ["grpc-status", "0"],
        ["grpc-status", "0"],
      ]),
    ],
    unknownStatus,
  ],
};

for (const [name, [steps, failure]] of Object.entries(odd))
  test(`${name}: the call ${failure === undefined ? "succeeds" : `fails (${failure.kind})`}`, async (t) => {
    for (const method of kinds) {
      const server = await startRawServer(t, (n) => (n === 0 ? steps : answer()));
      const client = clientOf(t, server.port);
      const [{ reason: error }] = (await Promise.allSettled([calls[method](client)])) as [{ reason?: unknown }];
      if (failure === undefined) assert.equal(error, undefined, `${method}: ${error}`);
      else {
        assert.ok(isAppError(error), `${method}: ${error}`);
        assert.deepEqual({ kind: error.kind, reason: error.reason }, failure, `${method}: ${error.message}`);
      }
      if (failure === lost) await eventually(() => server.open.size === 0);
      await calls[method](client);
      assert.equal(server.connections, failure === lost ? 2 : 1, method);
    }
  });

test("a stream of no answers is one, with headers and without", async (t) => {
  const server = await startRawServer(t, (n) => (n === 0 ? failing(ok) : [headers(), trailers()]));
  const client = clientOf(t, server.port);
  for (const _ of [1, 2]) for await (const answer of client.repeat({}, options)) assert.fail(String(answer));
});

test("answers in frames of one byte, and several in one frame, are the same", async (t) => {
  const bytes = Buffer.concat([framed(parcel), framed(Buffer.alloc(0)), framed(parcel)]);
  const single = [...bytes].map((byte) => data(Buffer.of(byte)));
  const server = await startRawServer(t, (n) => [headers(), ...(n === 0 ? single : [data(bytes)]), trailers()]);
  const client = clientOf(t, server.port);
  for (const _ of [1, 2]) {
    const names: unknown[] = [];
    for await (const { parcel } of client.repeat({}, options)) names.push(parcel?.name);
    assert.deepEqual(names, ["as asked", undefined, "as asked"]);
  }
});

test("answers that decompress to a gigabyte, all at once, leave memory bounded", async (t) => {
  const bomb = [headers(zipped), data(framed(gzipSync(Buffer.alloc(50_000_000)), { flag: 1 })), trailers()];
  const servers = await Promise.all(Array.from({ length: 20 }, () => startRawServer(t, () => bomb)));
  const before = process.memoryUsage.rss();
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 5);
  t.after(() => clearInterval(watch));
  const all = servers.map(({ port }) => clientOf(t, port).echo({}, options));
  for (const result of await Promise.allSettled(all))
    assert.ok(result.status === "rejected" && isAppError(result.reason, "RESPONSE_TOO_LARGE"));
  assert.ok(most - before < 400_000_000, `${most - before} bytes more`);
});
