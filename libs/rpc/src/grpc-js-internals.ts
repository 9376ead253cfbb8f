import {
  type ClientHttp2Stream,
  type Http2SecureServer,
  type Http2Server,
  constants as http2,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { type experimental, type Server, type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";

// What grpc-js has no option for. Each function leans on a private member of its exact, pinned version; a test of the
// behaviour that it brings fails when the member goes.

/**
 * Callers that give up together, as they do when something behind this server is slow, reset many streams at once. By
 * Node's default (1,000 at once, 33 a second) that ends their connection and every other call on it. These bounds still
 * end a flood that is meant as one.
 */
const streamResets = { streamResetBurst: 20_000, streamResetRate: 2_000 };

/**
 * Callers that reset as many streams as a connection may have, and begin as many anew at once, come before Node has let go
 * of the old ones. It refuses the new ones, and by default ends the connection with the 101st of its whole life. Refusals
 * alone do not end it here.
 */
const streamRefusals = { maxSessionRejectedStreams: 2 ** 32 - 1 };

/** Sets what grpc-js hands to Node's HTTP/2 servers: the bounds on resets and refusals, and the most metadata that a call may bring. */
export function tuneHttp2(server: Server, maxMetadataBytes: number): void {
  const { commonServerOptions } = server as unknown as { commonServerOptions: { settings?: object } };
  const settings = { ...commonServerOptions.settings, maxHeaderListSize: maxMetadataBytes };
  Object.assign(commonServerOptions, streamResets, streamRefusals, { settings });
}

/**
 * Calls `check` with the headers of each call before grpc-js reads them. It may change them, and answer the headers that
 * the call is refused with.
 */
export function onRequestHeaders(
  server: Server,
  check: (headers: IncomingHttpHeaders) => OutgoingHttpHeaders | undefined,
): void {
  type VerifyContentType = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean;
  const internals = server as unknown as { _verifyContentType: VerifyContentType };
  internals._verifyContentType = (stream, headers) => {
    const refusal = check(headers);
    if (refusal === undefined) return true;
    stream.respond(refusal, { endStream: true });
    // What comes of its request is dropped, or the stream would stay.
    stream.resume();
    return false;
  };
}

/** Calls `add` with each HTTP/2 server that grpc-js makes, before it listens. */
export function onListener(server: Server, add: (listener: Http2Server | Http2SecureServer) => void): void {
  type SetupHandlers = (listener: Http2Server | Http2SecureServer, interceptors: unknown) => void;
  const internals = server as unknown as { _setupHandlers: SetupHandlers };
  const setupHandlers = internals._setupHandlers.bind(server);
  internals._setupHandlers = (listener, interceptors) => {
    add(listener);
    setupHandlers(listener, interceptors);
  };
}

/** Whether the bytes that have come of a call end in the midst of a message. grpc-js drops such a message in silence. */
export function isMidMessage(call: ServerInterceptingCallInterface): boolean {
  const { decoder } = call as unknown as { decoder: { readState: number } };
  return decoder.readState !== 0;
}

/** As {@link isMidMessage}, of a client's call that has ended. */
export function isMidAnswer(call: experimental.CallStream): boolean {
  const { child } = call as unknown as AttemptedCall;
  const attempt = child?.underlyingCalls[child.committedCallIndex ?? -1];
  return attempt?.call.child != null && attempt.call.child.decoder.readState !== 0;
}

/** A client's call with its attempts, each of which is a stream of a connection once there is one for it. */
interface AttemptedCall {
  readonly child: {
    readonly underlyingCalls: readonly { readonly call: { readonly child: AttemptOnStream | null } }[];
    readonly committedCallIndex: number | null;
  } | null;
}

interface AttemptOnStream {
  readonly decoder: { readonly readState: number };
  readonly http2Stream: ClientHttp2Stream;
}

/**
 * Makes a call break its requests off when it is cancelled, by its deadline too. Node says first that they are complete, and
 * then, in a packet of its own, that the call is cancelled: a server that has not heard of that takes what was cut off for
 * a whole.
 */
export function breakOffWhenCancelled(call: experimental.CallStream): void {
  const cancelWithStatus = call.cancelWithStatus.bind(call);
  call.cancelWithStatus = (code, details) => {
    for (const attempt of (call as unknown as AttemptedCall).child?.underlyingCalls ?? []) {
      const stream = attempt.call.child?.http2Stream;
      if (stream !== undefined && !stream.writableEnded) stream.end = () => stream;
    }
    cancelWithStatus(code, details);
  };
}

/**
 * Calls `onAborted` when a call's caller breaks it off. grpc-js tells of that later: after what has been received looked
 * complete, and not at all while some of it is unread after an RST_STREAM with NO_ERROR.
 */
export function onCallerGone(call: ServerInterceptingCallInterface, onAborted: () => void): void {
  (call as unknown as { stream: ServerHttp2Stream }).stream.on("aborted", onAborted);
}

/** Ends a call without a status: what waits to be sent is dropped. Does nothing for a call that is over. */
export function resetCall(call: ServerInterceptingCallInterface): void {
  (call as unknown as { stream: ServerHttp2Stream }).stream.close(http2.NGHTTP2_CANCEL);
}

type SendStatus = ServerInterceptingCallInterface["sendStatus"];

/**
 * Calls `onStatus` in place of ending the call when grpc-js would end it by itself: past its deadline, and for bytes that are
 * no messages. Answers what ends the call.
 */
export function takeStatus(call: ServerInterceptingCallInterface, onStatus: SendStatus): SendStatus {
  const { sendStatus } = call;
  call.sendStatus = onStatus;
  return (status) => sendStatus.call(call, status);
}

interface Decompressing {
  decompressMessage(message: Buffer, encoding: string): Buffer | Promise<Buffer>;
}

/** Refuses messages whose compressed flag is wrong, as gRPC asks for; grpc-js takes the bytes of such a message as they are. */
export function checkCompressedFlags(call: ServerInterceptingCallInterface): void {
  (call as unknown as Decompressing).decompressMessage = decompressChecked;
}

function decompressChecked(this: Decompressing, message: Buffer, encoding: string): Buffer | Promise<Buffer> {
  const flag = message.readUInt8();
  if (flag > 1 || (flag === 1 && encoding === "identity")) {
    const details = `a message has the compressed flag ${flag} with the encoding ${encoding}`;
    return Promise.reject({ code: status.INTERNAL, details });
  }
  const { decompressMessage } = Object.getPrototypeOf(this) as Decompressing;
  return decompressMessage.call(this, message, encoding);
}
