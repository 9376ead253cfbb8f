import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import { connect as connectTcp, type NetConnectOpts, type Socket } from "node:net";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Metadata, status } from "@grpc/grpc-js";
import { EchoRequestSchema, RepeatRequestSchema } from "@shoal/contracts/echo/v1/echo_service";
import type { AppError } from "@shoal/kernel";
import { fromStatus } from "../errors.ts";

// For tests only: callers that do what no gRPC library would.

/** The methods of the test contract. */
export const paths = {
  echo: "/shoal.echo.v1.EchoService/Echo",
  collect: "/shoal.echo.v1.EchoService/Collect",
  repeat: "/shoal.echo.v1.EchoService/Repeat",
  converse: "/shoal.echo.v1.EchoService/Converse",
};

/** The error codes of HTTP/2 (RFC 9113, section 7). */
export const http2Codes = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  ENHANCE_YOUR_CALM: 11,
};

/** A gRPC message with its prefix, which may lie about the length and the compression. */
export function framed(bytes: Uint8Array, { length = bytes.length, flag = 0 } = {}): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** The bytes of a request of the methods that take a parcel. */
export function parcelBytes(parcel: MessageInitShape<typeof EchoRequestSchema>["parcel"] = { name: "raw" }): Buffer {
  return Buffer.from(toBinary(EchoRequestSchema, create(EchoRequestSchema, { ...(parcel && { parcel }) })));
}

/** A request as it should be. */
export const goodRequest = framed(parcelBytes());

/** A request for `count` answers with payloads of `payloadBytes`. */
export function repeatRequest(count: number, payloadBytes: number): Buffer {
  const request = { count: BigInt(count), parcel: { payload: new Uint8Array(payloadBytes) } };
  return framed(toBinary(RepeatRequestSchema, create(RepeatRequestSchema, request)));
}

/** What a call was answered with. */
export interface RawReply {
  readonly httpStatus: number | undefined;
  /** The name of the gRPC status, `undefined` where none came. */
  readonly status: string | undefined;
  /** `grpc-message` as it is on the wire. */
  readonly message: string | undefined;
  /** What our client would make of the status and its details. */
  readonly error: AppError;
  /** All headers and trailers. */
  readonly fields: IncomingHttpHeaders;
  /** The bytes of all answers, prefixes included. */
  readonly body: Buffer;
  /** The code that the stream was reset with; 0 where it was not. */
  readonly resetCode: number;
}

/** How a raw call is sent. */
export interface RawCall {
  readonly headers?: Record<string, string | string[] | undefined>;
  readonly body?: Buffer;
  /** Whether the request is ended; `true` if not set. */
  readonly end?: boolean;
}

/** Calls on Node's own HTTP/2 client: correct HTTP/2 that need not be correct gRPC. */
export class RawClient {
  readonly session: ClientHttp2Session;

  constructor(port: number) {
    this.session = connect(`http://127.0.0.1:${port}`, { maxSendHeaderBlockLength: 4_000_000 });
    this.session.on("error", () => {});
  }

  /** The settings of the server, once they are there. */
  async ready(): Promise<this> {
    if (this.session.remoteSettings.maxHeaderListSize === undefined) await once(this.session, "remoteSettings");
    return this;
  }

  /** Begins a call; a header that is `undefined` is not sent. */
  begin(path: string, { headers = {}, body, end = true }: RawCall = {}): ClientHttp2Stream {
    const all = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers };
    const sent = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    const stream = this.session.request(sent, { endStream: false });
    stream.on("error", () => {});
    if (body !== undefined) stream.write(body);
    if (end) stream.end();
    return stream;
  }

  /** Makes a call; resolves when it has been answered or reset. */
  call(path: string, call: RawCall = {}): Promise<RawReply> {
    return replyTo(this.begin(path, call));
  }

  close(): void {
    this.session.destroy();
  }
}

/** What comes back on a stream. */
export function replyTo(stream: ClientHttp2Stream): Promise<RawReply> {
  return new Promise((resolve) => {
    const body: Buffer[] = [];
    const fields: IncomingHttpHeaders = {};
    const finish = () => {
      const code = fields["grpc-status"] === undefined ? undefined : Number(fields["grpc-status"]);
      const message = fields["grpc-message"] as string | undefined;
      const metadata = Metadata.fromHttp2Headers(fields);
      resolve({
        httpStatus: fields[":status"] as number | undefined,
        status: code === undefined ? undefined : status[code],
        message,
        error: fromStatus({ code: code ?? status.UNKNOWN, details: decodeURIComponent(message ?? ""), metadata }),
        fields,
        body: Buffer.concat(body),
        resetCode: stream.rstCode,
      });
    };
    stream.on("response", (headers) => Object.assign(fields, headers));
    stream.on("trailers", (trailers) => Object.assign(fields, trailers));
    stream.on("data", (bytes) => body.push(bytes));
    // A server may answer before the request has ended; a stream that was reset ends, too, but without a status.
    stream.on("end", () => {
      if (fields["grpc-status"] !== undefined || (fields[":status"] as unknown) !== 200) stream.closed || finish();
    });
    stream.on("close", finish);
  });
}

const frameTypes = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 };
const frameFlags = { endStream: 1, ack: 1, endHeaders: 4 };
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** What a client sends first: the preface and settings that say nothing. */
export const greeting = Buffer.concat([preface, frame(frameTypes.settings, 0, 0)]);

/** A frame that has come. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/**
 * HTTP/2 written by hand, frame by frame (RFC 9113): sends what it is told to, when it is told to. Gives the server no room
 * for more than the 64 KiB that each connection and stream begins with, unless it is told to.
 */
export class FrameConnection {
  readonly socket: Socket;
  /** All that has come, but for settings and pings. */
  readonly frames: Frame[] = [];
  closed = false;
  #unread = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay();
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
    });
    socket.on("data", (bytes) => this.#read(bytes));
    socket.write(greeting);
  }

  static async open(port: number, options: Partial<NetConnectOpts> = {}): Promise<FrameConnection> {
    const socket = connectTcp({ host: "127.0.0.1", port, ...options });
    await once(socket, "connect");
    const connection = new FrameConnection(socket);
    return connection;
  }

  /** Begins a call of gRPC; stream ids are odd and rise. */
  headers(id: number, path: string, more: Record<string, string> = {}): void {
    this.write(callFrame(id, path, more));
  }

  data(id: number, bytes: Uint8Array, { end = false } = {}): void {
    this.write(frame(frameTypes.data, end ? frameFlags.endStream : 0, id, Buffer.from(bytes)));
  }

  reset(id: number, code: number): void {
    this.write(resetFrame(id, code));
  }

  /** Gives the server room for more on the connection, but on no stream of it. */
  grant(bytes: number): void {
    this.write(frame(frameTypes.windowUpdate, 0, 0, uint32(bytes)));
  }

  goaway(code: number): void {
    this.write(frame(frameTypes.goaway, 0, 0, Buffer.concat([uint32(0), uint32(code)])));
  }

  write(bytes: Buffer): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** The bytes of the answers on a stream. */
  bytesOf(id: number): number {
    const isData = (each: Frame) => each.id === id && each.type === frameTypes.data;
    return this.frames.filter(isData).reduce((sum, { payload }) => sum + payload.length, 0);
  }

  /** Whether a stream was ended by the server. */
  hasEnded(id: number): boolean {
    const ends = ({ type, flags }: Frame) => type === frameTypes.reset || (flags & frameFlags.endStream) !== 0;
    return this.closed || this.frames.some((each) => each.id === id && ends(each));
  }

  /** The codes that streams were reset with. */
  get resets(): readonly number[] {
    return this.frames.filter(({ type }) => type === frameTypes.reset).map(({ payload }) => payload.readUInt32BE());
  }

  /** The code with which the server said that it ends the connection. */
  get goneAway(): number | undefined {
    return this.frames.find(({ type }) => type === frameTypes.goaway)?.payload.readUInt32BE(4);
  }

  #read(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    while (this.#unread.length >= 9) {
      const end = 9 + this.#unread.readUIntBE(0, 3);
      if (this.#unread.length < end) return;
      const whole = this.#unread.subarray(0, end);
      this.#unread = this.#unread.subarray(end);
      this.#take({
        type: whole.readUInt8(3),
        flags: whole.readUInt8(4),
        id: whole.readUInt32BE(5),
        payload: whole.subarray(9),
      });
    }
  }

  #take(taken: Frame): void {
    const { type, flags, payload } = taken;
    const answers = type === frameTypes.settings || type === frameTypes.ping;
    if (!answers) this.frames.push(taken);
    else if ((flags & frameFlags.ack) === 0)
      this.write(frame(type, frameFlags.ack, 0, type === frameTypes.ping ? payload : undefined));
  }
}

/** The frame that begins a call of gRPC. */
export function callFrame(id: number, path: string, more: Record<string, string> = {}): Buffer {
  const fields = {
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "test",
    "content-type": "application/grpc",
    te: "trailers",
    ...more,
  };
  const block = Buffer.concat(Object.entries(fields).map(([name, value]) => literal(name, value)));
  return frame(frameTypes.headers, frameFlags.endHeaders, id, block);
}

export function resetFrame(id: number, code: number): Buffer {
  return frame(frameTypes.reset, 0, id, uint32(code));
}

function frame(type: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

/** A header field that no table of HPACK is used for (RFC 7541, section 6.2.2). */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

/** Text shorter than 127 bytes, as HPACK writes it (RFC 7541, section 5.2). */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length >= 127) throw new RangeError("this client writes short header fields only");
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
