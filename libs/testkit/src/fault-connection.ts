import {
  type ClientHttp2Session,
  connect,
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import type { Socket } from "node:net";
import { type Fault, grpcCodes } from "./fault-rules.ts";
import { forwardStream } from "./fault-stream.ts";
import { FaultWire } from "./fault-wire.ts";

/** What a {@link FaultConnection} needs. */
export interface FaultConnectionOptions {
  /** `HOST:PORT` of the instance. */
  readonly target: string;
  /** The fault that befalls a call to this path, if any. */
  readonly choose: (path: string) => Fault | undefined;
  /** From 0 up to 1, for jitter. */
  readonly random: () => number;
}

/** What a session may hold in memory, in megabytes; the default is too small for a thousand streams. */
const maxSessionMemory = 1_000;

/** A last stream that is above all: the peer is told to begin no more, and loses none. */
const anyStream = 2 ** 31 - 1;

/**
 * One client's connection and the one to the instance that belongs to it. The client gets SETTINGS once the instance has
 * sent its own, with the same limits; where the instance drains, so does the client, and where it is lost, the client's
 * connection is reset.
 *
 * States: opening (the instance has not sent SETTINGS) → open → draining (the instance has sent GOAWAY without an error)
 * → closed; any → closed when either connection is lost.
 */
export class FaultConnection {
  readonly #options: FaultConnectionOptions;
  readonly #socket: Socket;
  readonly #wire: FaultWire;
  readonly #far: ClientHttp2Session;
  /** Streams that nothing answers. */
  readonly #swallowed = new Set<ServerHttp2Stream>();
  #near: ServerHttp2Session | undefined;
  #draining = false;

  constructor(socket: Socket, options: FaultConnectionOptions) {
    this.#options = options;
    this.#socket = socket;
    this.#wire = new FaultWire(socket);
    this.#far = connect(`http://${options.target}`, { maxSessionMemory });
    this.#far.on("error", () => this.cut());
    this.#far.on("goaway", (code, _lastStream, data) => this.#drain(code, data));
    this.#far.on("remoteSettings", (settings) => this.#take(settings));
    this.#far.once("close", () => this.#farClosed());
    socket.once("close", () => this.#far.destroy());
  }

  /** Whether nothing is read from the client, and nothing sent to it, at the moment. */
  set isSilent(isSilent: boolean) {
    this.#wire.isSilent = isSilent;
  }

  /** Resets the client's connection, and ends the other. */
  cut(): void {
    this.#far.destroy();
    if (!this.#socket.destroyed) this.#socket.resetAndDestroy();
  }

  #take({ initialWindowSize, maxFrameSize, maxConcurrentStreams, maxHeaderListSize }: Settings): void {
    const given = { initialWindowSize, maxFrameSize, maxConcurrentStreams, maxHeaderListSize };
    const settings: Settings = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    if (this.#near !== undefined) {
      if (!this.#near.destroyed) this.#near.settings(settings);
      return;
    }
    if (this.#socket.destroyed) return;
    this.#near = performServerHandshake(this.#wire, { settings, maxSessionMemory });
    // The streams say what happens to them, and "close" what happens to the connection.
    this.#near.on("error", () => {});
    this.#near.on("stream", (stream, headers, flags) => this.#call(stream, headers, flags));
    this.#near.once("close", () => this.#far.destroy());
  }

  #call(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number): void {
    stream.on("error", () => {});
    const fault = this.#options.choose(String(headers[":path"] ?? ""));
    const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const onLost = () => this.cut();
    const forward = (onAnswer?: () => void) =>
      forwardStream(stream, { headers, isWhole, far: this.#far, onLost, onAnswer });
    if (fault === undefined) forward();
    else if ("latencyMs" in fault) {
      const delayMs = fault.latencyMs + (fault.jitterMs ?? 0) * this.#options.random();
      const timer = setTimeout(forward, delayMs);
      stream.once("close", () => clearTimeout(timer));
    } else if ("blackHole" in fault) this.#swallow(stream);
    else {
      const fail = () => this.#fail(stream, fault);
      if (fault.afterwards === true) forward(fail);
      else fail();
    }
  }

  #fail(stream: ServerHttp2Stream, fault: Extract<Fault, { code: unknown } | { reset: unknown }>): void {
    if ("code" in fault) {
      const { code, message = "a fault that was asked for" } = fault;
      const status = {
        "grpc-status": grpcCodes.indexOf(code),
        "grpc-message": encodeURIComponent(message.toWellFormed()),
      };
      stream.respond({ ":status": 200, "content-type": "application/grpc", ...status }, { endStream: true });
      stream.resume();
    } else if (fault.reset === "stream") stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    else this.cut();
  }

  #swallow(stream: ServerHttp2Stream): void {
    this.#swallowed.add(stream);
    stream.once("close", () => this.#swallowed.delete(stream));
    stream.resume();
  }

  #drain(code: number, data: Uint8Array | undefined): void {
    // The client may have gone at the same moment.
    if (this.#near?.destroyed === false)
      this.#near.goaway(code, code === constants.NGHTTP2_NO_ERROR ? anyStream : 0, data);
    this.#draining = code === constants.NGHTTP2_NO_ERROR;
  }

  #farClosed(): void {
    if (!this.#draining) {
      this.cut();
      return;
    }
    this.#near?.close();
    for (const stream of this.#swallowed) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }
}
