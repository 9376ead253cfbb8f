import assert from "node:assert/strict";
import { test } from "node:test";
import type { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { isAppError } from "@shoal/kernel";
import type { Client } from "../client/client.ts";
import { framed, http2Codes } from "./raw-client.ts";
import {
  answer,
  clientOf,
  collected,
  data,
  destroy,
  goaway,
  headers,
  parcel,
  reset,
  type Step,
  startRawServer,
} from "./raw-server.ts";
import { eventually } from "./tested-server.ts";

type EchoClient = Client<typeof EchoService>;

const options = { timeoutMs: 20_000 };

async function* requests() {
  yield {};
}

async function count(responses: AsyncIterable<unknown>): Promise<number> {
  let seen = 0;
  for await (const _ of responses) seen += 1;
  return seen;
}

/** For each kind of method: a call, which answers how many answers came, and the bytes of an answer. */
const kinds = {
  unary: { call: async (client: EchoClient) => (await client.echo({}, options)) && 1, bytes: parcel },
  "client stream": {
    call: async (client: EchoClient) => (await client.collect(requests(), options)) && 1,
    bytes: collected,
  },
  "server stream": { call: (client: EchoClient) => count(client.repeat({}, options)), bytes: parcel },
  "bidirectional stream": { call: (client: EchoClient) => count(client.converse(requests(), options)), bytes: parcel },
};

const stages = {
  "before the headers": () => [],
  "after the headers": () => [headers()],
  "within an answer": (bytes: Uint8Array) => [headers(), data(framed(bytes).subarray(0, 7))],
  "after an answer, before the status": (bytes: Uint8Array) => [headers(), data(framed(bytes))],
  "after the status": answer,
} satisfies Record<string, (bytes: Uint8Array) => readonly Step[]>;

/** How a call is broken off, and what its caller sees of it. */
const breaks: Record<string, { steps: readonly Step[]; kind: string; reason: string; refused?: true; lost?: true }> = {
  "RST_STREAM(CANCEL)": { steps: [reset(http2Codes.CANCEL)], kind: "cancelled", reason: "CANCELLED" },
  "RST_STREAM(REFUSED_STREAM)": {
    steps: [reset(http2Codes.REFUSED_STREAM)],
    kind: "unavailable",
    reason: "UNAVAILABLE",
    refused: true,
  },
  "RST_STREAM(ENHANCE_YOUR_CALM)": {
    steps: [reset(http2Codes.ENHANCE_YOUR_CALM)],
    kind: "exhausted",
    reason: "RESOURCE_EXHAUSTED",
  },
  "RST_STREAM(INTERNAL_ERROR)": {
    steps: [reset(http2Codes.INTERNAL_ERROR)],
    kind: "unavailable",
    reason: "CONNECTION_LOST",
  },
  "RST_STREAM(NO_ERROR)": { steps: [reset(http2Codes.NO_ERROR)], kind: "unavailable", reason: "CONNECTION_LOST" },
  "a GOAWAY that leaves the call out": {
    steps: [goaway(-2, http2Codes.NO_ERROR)],
    kind: "unavailable",
    reason: "UNAVAILABLE",
    refused: true,
  },
  "a GOAWAY that leaves nothing but others out, and a closed connection": {
    steps: [goaway(0, http2Codes.NO_ERROR), destroy],
    kind: "unavailable",
    reason: "UNAVAILABLE",
    lost: true,
  },
  "GOAWAY(INTERNAL_ERROR)": {
    steps: [goaway(0, http2Codes.INTERNAL_ERROR)],
    kind: "unavailable",
    reason: "CONNECTION_LOST",
    lost: true,
  },
  "GOAWAY(ENHANCE_YOUR_CALM)": {
    steps: [goaway(0, http2Codes.ENHANCE_YOUR_CALM)],
    kind: "exhausted",
    reason: "RESOURCE_EXHAUSTED",
    lost: true,
  },
  "a closed connection": { steps: [destroy], kind: "unavailable", reason: "UNAVAILABLE", lost: true },
};

for (const [name, { steps, kind, reason, refused = false, lost = false }] of Object.entries(breaks))
  for (const [stage, before] of Object.entries(stages))
    test(`${name} ${stage}`, async (t) => {
      const one = async (method: string, { call, bytes }: (typeof kinds)[keyof typeof kinds]) => {
        const broken = [...before(bytes), ...steps];
        const server = await startRawServer(t, (n) => (n === 0 ? broken : answer(bytes)));
        const client = clientOf(t, server.port);
        const [first] = await Promise.allSettled([call(client)]);
        // A server that has not begun with a call may get it again.
        const mustSucceed = stage === "after the status" ? !lost : refused && stage === "before the headers";
        // grpc-js forgets an answer whose connection closes right behind it: a failure, but not one that lies.
        const maySucceed = mustSucceed || stage === "after the status";
        if (first.status === "fulfilled") {
          assert.ok(maySucceed, `${method}: it must fail`);
          assert.equal(first.value, 1, method);
        } else {
          const error = first.reason;
          assert.ok(isAppError(error), `${method}: ${error}`);
          assert.ok(!mustSucceed, `${method}: ${error}`);
          assert.deepEqual([error.kind, error.reason], [kind, reason], `${method}: ${error.message}`);
        }
        // What is sent before it is known that the connection breaks, breaks with it.
        if (lost) await eventually(() => server.open.size === 0);
        assert.equal(await call(client), 1, `${method}, afterwards`);
      };
      await Promise.all(Object.entries(kinds).map(([method, kind]) => one(method, kind)));
    });

test("a server that goes away lets the calls that it has taken end, and gets no more of them", async (t) => {
  const server = await startRawServer(t, (n) => (n === 0 ? [goaway(0, http2Codes.NO_ERROR), ...answer()] : answer()));
  const client = clientOf(t, server.port);
  await client.echo({}, options);
  await client.echo({}, options);
  assert.equal(server.connections, 2);
});

test("a call that is refused again and again is unavailable, and not tried for ever", async (t) => {
  const server = await startRawServer(t, () => [reset(http2Codes.REFUSED_STREAM)]);
  const client = clientOf(t, server.port);
  await assert.rejects(client.echo({}, options), (error) => isAppError(error) && error.kind === "unavailable");
  assert.equal(server.calls, 2);
});
