import { connect, type Socket } from "node:net";
import type { Priority } from "@shoal/kernel";
import { literal, statusIn } from "./hpack.ts";

/** A call that broke off without a status. */
export const brokenOff = -1;

/** Streams that one connection carries at once, as our servers allow them. */
const streamsPerConnection = 1_000;

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Types and flags of HTTP/2's frames (RFC 9113 section 6). */
const frame = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 } as const;
const flag = { ack: 1, endStream: 1, endHeaders: 4 } as const;
const frameHeadBytes = 9;
const initialWindow = 65_535;
const longestWindow = 2 ** 31 - 1;

/** How a call ended: its gRPC code, or {@link brokenOff}. */
export type OnEnd = (code: number) => void;

/**
 * Calls a method of a server with none of our clients' means to hold back, and for a tenth of their CPU time, so that a
 * flood costs its server much and its sender little: HTTP/2 frames that are made once, and calls of the same moment sent
 * together, over one connection after the other. The owner closes it.
 */
export class PlainCaller {
  readonly #connections: readonly Connection[];
  #next = 0;
  #isSending = false;

  /** `address`: HOST:PORT. `maxCalls`: at most so many at once. */
  constructor(address: string, maxCalls: number) {
    // Twice as many as carry them: their shares differ.
    const count = Math.ceil((2 * maxCalls) / streamsPerConnection);
    this.#connections = Array.from({ length: count }, () => new Connection(address));
  }

  /** Sends a request that {@link encodeCall} has made, and tells how the call ended. */
  call(bytes: Buffer, onEnd: OnEnd): void {
    const connection = this.#connections[this.#next] as Connection;
    if (!this.#isSending) {
      this.#isSending = true;
      connection.cork();
      setImmediate(() => {
        connection.uncork();
        this.#isSending = false;
        this.#next = (this.#next + 1) % this.#connections.length;
      });
    }
    connection.call(bytes, onEnd);
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}

/** What a call begins with. */
export interface PlainCall {
  /** HOST:PORT. */
  readonly address: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly timeoutMs: number;
  readonly priority: Priority;
  readonly message: Uint8Array;
}

/** A call of one request as frames, for any stream. */
export function encodeCall({ address, path, timeoutMs, priority, message }: PlainCall): Buffer {
  const headers = Buffer.concat([
    // :method: POST and :scheme: http, from HPACK's static table.
    Buffer.from([0x83, 0x86]),
    literal(":path", path),
    literal(":authority", address),
    literal("content-type", "application/grpc"),
    literal("te", "trailers"),
    literal("grpc-timeout", `${timeoutMs}m`),
    literal("x-shoal-priority", priority),
  ]);
  const data = Buffer.alloc(5 + message.length);
  data.writeUInt32BE(message.length, 1);
  data.set(message, 5);
  return Buffer.concat([
    frameOf(frame.headers, flag.endHeaders, 0, headers),
    frameOf(frame.data, flag.endStream, 0, data),
  ]);
}

function frameOf(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(frameHeadBytes + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, frameHeadBytes);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** States: open → broken. Calls on a broken one break off at once. */
class Connection {
  readonly #socket: Socket;
  readonly #calls = new Map<number, OnEnd>();
  /** Calls that wait for the connection's window. */
  readonly #unsent: { readonly bytes: Buffer; readonly dataBytes: number; readonly onEnd: OnEnd }[] = [];
  #stream = 1;
  #window = initialWindow;
  #rest: Buffer = Buffer.alloc(0);
  #broken = false;

  constructor(address: string) {
    const [host = "", port] = address.split(":");
    this.#socket = connect({ host, port: Number(port), noDelay: true });
    this.#socket.on("data", (bytes) => this.#read(bytes));
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => this.#break());
    // No table of headers, so that each block of them can be read by itself; and as much as the server likes to send.
    this.#socket.write(preface);
    this.#socket.write(frameOf(frame.settings, 0, 0, Buffer.from([0, 1, 0, 0, 0, 0])));
    this.#socket.write(frameOf(frame.windowUpdate, 0, 0, uint32(longestWindow - initialWindow)));
  }

  call(bytes: Buffer, onEnd: OnEnd): void {
    if (this.#broken) {
      onEnd(brokenOff);
      return;
    }
    const dataBytes = bytes.length - 2 * frameHeadBytes - bytes.readUIntBE(0, 3);
    this.#unsent.push({ bytes, dataBytes, onEnd });
    this.#send();
  }

  /** What is sent from here on goes out at {@link uncork}, in one piece. */
  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(): void {
    for (let next = this.#unsent[0]; next !== undefined; next = this.#unsent[0]) {
      const { bytes, dataBytes, onEnd } = next;
      if (dataBytes > this.#window) return;
      this.#window -= dataBytes;
      this.#unsent.shift();
      bytes.writeUInt32BE(this.#stream, 5);
      bytes.writeUInt32BE(this.#stream, frameHeadBytes + bytes.readUIntBE(0, 3) + 5);
      this.#calls.set(this.#stream, onEnd);
      this.#stream += 2;
      this.#socket.write(bytes);
    }
  }

  #read(received: Buffer): void {
    const bytes = this.#rest.length === 0 ? received : Buffer.concat([this.#rest, received]);
    let at = 0;
    while (bytes.length - at >= frameHeadBytes) {
      const end = at + frameHeadBytes + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.#take(
        bytes.readUInt8(at + 3),
        bytes.readUInt8(at + 4),
        bytes.readUInt32BE(at + 5),
        bytes.subarray(at + frameHeadBytes, end),
      );
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }

  #take(type: number, flags: number, stream: number, payload: Buffer): void {
    if (type === frame.headers && (flags & flag.endStream) !== 0) this.#end(stream, statusIn(payload) ?? brokenOff);
    else if (type === frame.rstStream) this.#end(stream, brokenOff);
    else if (type === frame.settings && (flags & flag.ack) === 0)
      this.#socket.write(frameOf(frame.settings, flag.ack, 0, Buffer.alloc(0)));
    else if (type === frame.ping && (flags & flag.ack) === 0)
      this.#socket.write(frameOf(frame.ping, flag.ack, 0, payload));
    else if (type === frame.goaway) this.#socket.end();
    else if (type === frame.windowUpdate && stream === 0) {
      this.#window += payload.readUInt32BE(0);
      this.#send();
    }
  }

  #end(stream: number, code: number): void {
    const onEnd = this.#calls.get(stream);
    this.#calls.delete(stream);
    onEnd?.(code);
  }

  #break(): void {
    this.#broken = true;
    for (const stream of [...this.#calls.keys()]) this.#end(stream, brokenOff);
    for (const { onEnd } of this.#unsent.splice(0)) onEnd(brokenOff);
  }
}
