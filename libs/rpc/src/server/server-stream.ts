import { Metadata, type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";
import { AppError } from "@shoal/kernel";
import { fromStatus, toGrpcStatus } from "../errors.ts";
import { markFinal } from "../final-errors.ts";
import { checkCompressedFlags, isMidMessage, onCallerGone, resetCall, takeStatus } from "../grpc-js-internals.ts";
import { malformedTimeout } from "./request-headers.ts";

/** Bytes that wait to be sent before {@link ServerStream.write} asks its caller to wait as well. */
const writeBufferBytes = 64 * 1024;

/** How long a call that is over may wait for its caller to take what was sent before the status, in milliseconds. */
const lingerMs = 1_000;

type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];
type PartialStatus = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/**
 * One call as messages in bytes: what grpc-js calls an intercepting server call, with reads and writes that can be
 * awaited. States: receiving its request (single requests only) → begun → ended.
 *
 * It stands where grpc-js offers interceptors, because the streams that grpc-js gives to handlers lose the status of a
 * loop that is left, and make a cancelled stream look complete.
 */
export class ServerStream implements Listener {
  readonly #wire: ServerInterceptingCallInterface;
  readonly #sendStatus: (end: PartialStatus) => void;
  readonly #single: boolean;
  readonly #onBegin: (stream: ServerStream) => void;
  /** Set before the call begins. */
  metadata!: Metadata;
  /** The one request, where there is one; set before the call begins. */
  request!: Buffer;
  /** Nothing more can be read or sent: the caller has gone, the deadline has passed, or the status has been sent. */
  ended = false;
  /** Called when the call that has begun ends, with what ended it unless that was the caller. */
  onEnded: ((reason?: AppError) => void) | undefined;
  #hasRequest = false;
  #reader: { resolve(bytes: Buffer | undefined): void; reject(error: Error): void } | undefined;
  #complete = false;
  #unsentBytes = 0;
  #onRoom: (() => void) | undefined;

  /**
   * `onBegin` is called when the call can be served: its metadata is there, and its request, if it is a `single` one.
   */
  constructor(wire: ServerInterceptingCallInterface, single: boolean, onBegin: (stream: ServerStream) => void) {
    this.#wire = wire;
    checkCompressedFlags(wire);
    onCallerGone(wire, () => this.#finish());
    this.#sendStatus = takeStatus(wire, (end) => this.#endByItself(end));
    this.#single = single;
    this.#onBegin = onBegin;
  }

  /** Begins to receive. */
  start(): void {
    this.#wire.start(this);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.metadata = metadata;
    if (metadata.get(malformedTimeout).length > 0) this.#refuse(timeoutMalformed());
    else if (this.#single) this.#wire.startRead();
    else this.#begin();
  }

  onReceiveMessage(bytes: Buffer): void {
    if (!this.#single) this.#deliver(bytes);
    else if (this.#hasRequest) this.#refuse(wrongNumber("SECOND_REQUEST", "a second one"));
    else {
      this.#hasRequest = true;
      this.request = bytes;
      this.#wire.startRead();
    }
  }

  onReceiveHalfClose(): void {
    const truncated = isMidMessage(this.#wire);
    if (!this.#single && truncated) this.#fail(requestTruncated());
    else if (!this.#single) this.#deliver(undefined);
    else if (truncated) this.#refuse(requestTruncated());
    else if (!this.#hasRequest) this.#refuse(wrongNumber("NO_REQUEST", "none"));
    else this.#begin();
  }

  onCancel(): void {
    this.#finish();
  }

  get deadline(): number {
    return Number(this.#wire.getDeadline());
  }

  /** Known to the end, also of a call whose connection was lost. */
  get peerAddress(): string {
    const { remoteAddress, remotePort } = this.#wire.getConnectionInfo();
    return remoteAddress === undefined ? "unknown" : `${remoteAddress}:${remotePort}`;
  }

  get authContext(): ReturnType<ServerInterceptingCallInterface["getAuthContext"]> {
    return this.#wire.getAuthContext();
  }

  /**
   * The next request's bytes, or `undefined` after the last one. One read at a time. Rejects when the requests end within
   * one of them; stays pending once the call has ended, until {@link abortRead}.
   */
  read(): Promise<Buffer | undefined> {
    if (this.#complete) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      this.#wire.startRead();
    });
  }

  /** Rejects a pending read with `error`. */
  abortRead(error: Error): void {
    this.#fail(error);
  }

  /** Sends the headers, unless they have gone already. */
  sendHeaders(headers: Metadata): void {
    this.#wire.sendMetadata(headers);
  }

  /** Sends a message. Answers a promise when there is no room for more: it resolves when there is, or the call has ended. */
  write(bytes: Buffer): Promise<void> | undefined {
    if (this.ended) return undefined;
    // An empty message is a frame as well.
    const size = bytes.length + 5;
    this.#unsentBytes += size;
    this.#wire.sendMessage(bytes, () => {
      this.#unsentBytes -= size;
      if (this.#unsentBytes < writeBufferBytes) this.#onRoom?.();
    });
    if (this.#unsentBytes < writeBufferBytes) return undefined;
    return new Promise((resolve) => {
      this.#onRoom = () => {
        this.#onRoom = undefined;
        resolve();
      };
    });
  }

  /** Ends the call with a status, after all that has been written. Does nothing once the call has ended. */
  end(end: PartialStatus): void {
    this.#sendStatus(end);
  }

  #begin(): void {
    if (!this.ended) this.#onBegin(this);
  }

  #deliver(bytes: Buffer | undefined): void {
    if (bytes === undefined) this.#complete = true;
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.resolve(bytes);
  }

  #fail(error: Error): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.reject(error);
  }

  #refuse(error: AppError): void {
    this.#sendStatus(toGrpcStatus(error));
  }

  /** The work ends now: the status may have to wait for answers that the caller does not take. */
  #endByItself(end: PartialStatus): void {
    const reason = wireFailure(end);
    // Of an internal error no text would be sent; but what is wrong here is the caller's.
    const sent = reason.kind === "internal" ? end : toGrpcStatus(reason);
    if (end.code === status.UNIMPLEMENTED) sent.metadata?.set("grpc-accept-encoding", "identity,deflate,gzip");
    this.#sendStatus(sent);
    this.#finish(reason);
    if (this.#unsentBytes > 0) setTimeout(() => resetCall(this.#wire), lingerMs).unref();
  }

  #finish(reason?: AppError): void {
    this.ended = true;
    this.#onRoom?.();
    this.onEnded?.(reason);
  }
}

/** What grpc-js ends calls with by itself, and what we call it. */
const wireReasons: { readonly [code in status]?: string } = {
  [status.DEADLINE_EXCEEDED]: "DEADLINE_EXCEEDED",
  [status.RESOURCE_EXHAUSTED]: "REQUEST_TOO_LARGE",
  [status.UNIMPLEMENTED]: "ENCODING_UNKNOWN",
};

function wireFailure({ code, details }: PartialStatus): AppError {
  const { kind, message } = fromStatus({ code, details, metadata: new Metadata() });
  const reason = wireReasons[code] ?? "INTERNAL";
  const error = new AppError({ kind, reason, domain: "shoal.rpc", message });
  // The same request would be as large.
  if (code === status.RESOURCE_EXHAUSTED) markFinal(error);
  return error;
}

function timeoutMalformed(): AppError {
  return new AppError({
    kind: "invalid",
    reason: "TIMEOUT_MALFORMED",
    domain: "shoal.rpc",
    message: "the grpc-timeout header must be 1 to 8 digits and a unit: H, M, S, m, u or n",
  });
}

/** Has the code that gRPC's list of statuses gives to it. */
function wrongNumber(reason: string, came: string): AppError {
  const message = `the method takes one request; there came ${came}`;
  return new AppError({ kind: "unimplemented", reason, domain: "shoal.rpc", message });
}

function requestTruncated(): AppError {
  return new AppError({
    kind: "invalid",
    reason: "REQUEST_TRUNCATED",
    domain: "shoal.rpc",
    message: "the requests end in the midst of one of them; its length prefix promises more bytes than came",
  });
}
