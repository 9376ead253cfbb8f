import { createServer, type Server as NetServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { create, toBinary } from "@bufbuild/protobuf";
import { CollectResponseSchema, EchoResponseSchema, EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { type Client, type ClientOptions, createClient } from "../client/client.ts";
import { framed } from "./raw-client.ts";

// For tests only: HTTP/2 written by hand, frame by frame (RFC 9113), so that a server can break every promise of it.

const types = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 };
const flags = { endStream: 1, ack: 1, endHeaders: 4 };
const maxFrameBytes = 16_384;
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** What a server does to a call, given its stream's id: bytes to send, or something done to the connection. */
export type Step = (id: number, connection: Socket) => Buffer | undefined;

type Fields = readonly (readonly [name: string, value: string])[] | Readonly<Record<string, string>>;

const okFields = { ":status": "200", "content-type": "application/grpc" };

/** The headers of an answer; `application/grpc` with status 200 if nothing else is said. */
export function headers(fields: Fields = okFields, { end = false } = {}): Step {
  return (id) => headerFrames(id, fields, end);
}

/** The trailers, which end a call. */
export function trailers(fields: Fields = { "grpc-status": "0" }): Step {
  return (id) => headerFrames(id, fields, true);
}

export function data(bytes: Buffer, { end = false } = {}): Step {
  return (id) => {
    const frames = [];
    for (let at = 0; at === 0 || at < bytes.length; at += maxFrameBytes) {
      const part = bytes.subarray(at, at + maxFrameBytes);
      frames.push(frame(types.data, end && at + maxFrameBytes >= bytes.length ? flags.endStream : 0, id, part));
    }
    return Buffer.concat(frames);
  };
}

export function reset(code: number): Step {
  return (id) => frame(types.reset, 0, id, uint32(code));
}

/** Says that streams above the call's id plus `offset` will not be served. */
export function goaway(offset: number, code: number): Step {
  return (id) => frame(types.goaway, 0, 0, Buffer.concat([uint32(Math.max(0, id + offset)), uint32(code)]));
}

/** Closes the connection without a word. */
export const destroy: Step = (_, connection) => {
  connection.destroy();
  return undefined;
};

/** An answer of the methods that answer with a parcel. */
export const parcel = toBinary(EchoResponseSchema, create(EchoResponseSchema, { parcel: { name: "as asked" } }));
/** An answer of `Collect`. */
export const collected = toBinary(CollectResponseSchema, create(CollectResponseSchema, { count: 1n }));

/** A whole answer, as it should be. */
export function answer(bytes: Uint8Array = parcel): readonly Step[] {
  return [headers(), data(framed(bytes)), trailers()];
}

export interface RawServer {
  readonly port: number;
  /** Calls that have come. */
  calls: number;
  /** Requests that the client said were complete. */
  completed: number;
  /** Connections that have come. */
  connections: number;
  /** Connections that are open. */
  readonly open: ReadonlySet<Socket>;
  /** The codes with which the client reset streams. */
  readonly resets: readonly number[];
  /** What came of each request before it was answered, in the order of the calls. */
  readonly requests: readonly Buffer[];
  /** When each call was answered, as `performance.now()` counts. */
  readonly times: readonly number[];
}

export interface RawServerOptions {
  readonly port?: number;
  readonly tls?: TlsOptions;
  /** Whether calls are answered when their headers come, and not when their requests are complete. */
  readonly early?: boolean;
  /** How long connections wait for the server's first word, in milliseconds. */
  readonly silentMs?: number;
}

/**
 * Serves the nth call by what `script` says for n, from 0 on, when its request is complete. Answers settings and pings as
 * it should, unless `script` does otherwise.
 */
export async function startRawServer(
  t: TestContext,
  script: (call: number) => readonly Step[],
  { port = 0, tls, early = false, silentMs = 0 }: RawServerOptions = {},
): Promise<RawServer> {
  const open = new Set<Socket>();
  const resets: number[] = [];
  const times: number[] = [];
  const requests: Buffer[] = [];
  const serve = (connection: Socket) => {
    open.add(connection);
    connection.setNoDelay();
    server.connections += 1;
    connection.on("close", () => open.delete(connection)).on("error", () => {});
    const came = new Map<number, Buffer>();
    const onFrame = (type: number, frameFlags: number, id: number, payload: Buffer) => {
      const isAck = (frameFlags & flags.ack) !== 0;
      if (type === types.settings && !isAck) connection.write(frame(types.settings, flags.ack, 0));
      if (type === types.ping && !isAck) connection.write(frame(types.ping, flags.ack, 0, payload));
      if (type === types.reset) resets.push(payload.readUInt32BE());
      if (type === types.data) came.set(id, Buffer.concat([came.get(id) ?? Buffer.alloc(0), payload]));
      const isRequest = type === types.headers || type === types.data;
      const begins = early ? type === types.headers : isRequest && (frameFlags & flags.endStream) !== 0;
      if (isRequest && (frameFlags & flags.endStream) !== 0) server.completed += 1;
      if (!begins) return;
      times.push(performance.now());
      requests.push(came.get(id) ?? Buffer.alloc(0));
      const call = server.calls;
      server.calls += 1;
      const bytes: Buffer[] = [];
      for (const step of script(call)) {
        const part = step(id, connection);
        if (part !== undefined) bytes.push(part);
        else if (bytes.length > 0) connection.write(Buffer.concat(bytes.splice(0)));
      }
      if (!connection.destroyed) connection.write(Buffer.concat(bytes));
    };
    const greet = () => {
      const settings = Buffer.concat([Buffer.of(0, 4), uint32(2 ** 31 - 1)]);
      connection.write(frame(types.settings, 0, 0, settings));
      connection.write(frame(types.windowUpdate, 0, 0, uint32(2 ** 31 - 1 - 65_535)));
      readFrames(connection, onFrame);
    };
    if (silentMs === 0) greet();
    else setTimeout(greet, silentMs);
  };
  const listener = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  const server = {
    port: await listen(t, listener, port),
    calls: 0,
    completed: 0,
    connections: 0,
    open,
    resets,
    requests,
    times,
  };
  t.after(() => {
    for (const connection of open) connection.destroy();
  });
  return server;
}

/** Listens on 127.0.0.1 until the test ends; answers the port. */
export async function listen(t: TestContext, server: NetServer, port = 0): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  t.after(() => server.close());
  return (server.address() as { port: number }).port;
}

/** A client of the test contract until the test ends. */
export function clientOf(
  t: TestContext,
  to: number | string,
  options: Partial<ClientOptions> = {},
): Client<typeof EchoService> {
  const client = createClient(EchoService, { address: typeof to === "number" ? `127.0.0.1:${to}` : to, ...options });
  t.after(() => client[Symbol.dispose]());
  return client;
}

function readFrames(
  connection: Socket,
  onFrame: (type: number, flags: number, id: number, payload: Buffer) => void,
): void {
  let unread = Buffer.alloc(0);
  let begun = false;
  connection.on("data", (bytes) => {
    unread = Buffer.concat([unread, bytes]);
    if (!begun && unread.length >= preface.length) {
      begun = true;
      unread = unread.subarray(preface.length);
    }
    while (begun && unread.length >= 9) {
      const end = 9 + unread.readUIntBE(0, 3);
      if (unread.length < end) return;
      const whole = unread.subarray(0, end);
      unread = unread.subarray(end);
      onFrame(whole.readUInt8(3), whole.readUInt8(4), whole.readUInt32BE(5), whole.subarray(9));
    }
  });
}

function frame(type: number, frameFlags: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(frameFlags, 4);
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

function headerFrames(id: number, fields: Fields, end: boolean): Buffer {
  const entries: readonly (readonly [string, string])[] = isList(fields) ? fields : Object.entries(fields);
  const block = Buffer.concat(entries.map(([name, value]) => literal(name, value)));
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += maxFrameBytes) {
    const last = at + maxFrameBytes >= block.length ? flags.endHeaders : 0;
    const first = at === 0;
    const type = first ? types.headers : types.continuation;
    frames.push(frame(type, last | (first && end ? flags.endStream : 0), id, block.subarray(at, at + maxFrameBytes)));
  }
  return Buffer.concat(frames);
}

function isList(fields: Fields): fields is readonly (readonly [string, string])[] {
  return Array.isArray(fields);
}

/** A field that no table of HPACK (RFC 7541, section 6.2.2) is used for. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([prefixed(bytes.length), bytes]);
}

/** An integer with a prefix of 7 bits (RFC 7541, section 5.1). */
function prefixed(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
