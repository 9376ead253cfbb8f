import type { Writable } from "node:stream";
import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  Message,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Client as GrpcClient,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { AppError, currentContext, requireInteger } from "@shoal/kernel";
import { requestIdKey } from "./call-context.ts";
import { fromServiceError } from "./errors.ts";
import { type Init, methodDefinition } from "./method-definition.ts";
import { readResponses, writeAll } from "./streams.ts";

/** How a client reaches its service. */
export interface ClientOptions {
  /** `HOST:PORT`; an IPv6 address in brackets. */
  readonly address: string;
  /**
   * How long a unary call may take, in milliseconds, 1 to 3,600,000, if the call that it is made for has no less left.
   * Streams last as long as that call, or until they are left.
   */
  readonly timeoutMs?: number;
  /** The largest response message in bytes, 1 KiB to 1 GiB. */
  readonly maxResponseBytes?: number;
}

/** 5 seconds; messages up to 4 MiB. */
export const defaultClientOptions = Object.freeze({ timeoutMs: 5_000, maxResponseBytes: 4 * 1024 * 1024 });

/** What one call may be given. */
export interface CallOptions {
  /** Cancels the call when it aborts. */
  readonly signal?: AbortSignal;
}

type Call<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncGenerator<MessageShape<O>, void, undefined>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageInitShape<I>>, options?: CallOptions) => Promise<MessageShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (
              requests: AsyncIterable<MessageInitShape<I>>,
              options?: CallOptions,
            ) => AsyncGenerator<MessageShape<O>, void, undefined>
          : never;

/**
 * A function for each method of a service: promises for single answers, generators for streams. Every failure is an
 * {@link AppError} of the kind that the service meant. Leaving a stream's loop early cancels its call.
 * Disposing of the client closes its connection.
 */
export type Client<S extends DescService> = { readonly [K in keyof S["method"]]: Call<S["method"][K]> } & Disposable;

/**
 * A client for `service` at an address. Connects when first used and again when the connection is lost. The deadline,
 * the cancellation and the request id of the call that is being served are passed on. The caller disposes of it.
 * Throws a `RangeError` for options out of range.
 */
export function createClient<S extends DescService>(service: S, options: ClientOptions): Client<S> {
  const { address, timeoutMs, maxResponseBytes } = { ...defaultClientOptions, ...options };
  requireInteger("timeoutMs", timeoutMs, 1, 3_600_000);
  requireInteger("maxResponseBytes", maxResponseBytes, 1024, 2 ** 30);
  const grpc = new GrpcClient(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": maxResponseBytes,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 15_000,
    "grpc.enable_channelz": 0,
  });
  const methods = service.methods.map((method) => [method.localName, caller(grpc, method, timeoutMs)]);
  const client = { ...Object.fromEntries(methods), [Symbol.dispose]: () => grpc.close() };
  return client as unknown as Client<S>;
}

/** The part of every grpc-js client call that can be ended. */
interface Cancellable {
  cancel(): void;
}

function caller(grpc: GrpcClient, method: DescMethod, timeoutMs: number): unknown {
  const definition = methodDefinition(method);
  const { path, requestSerialize: serialize, responseDeserialize: deserialize } = definition;
  switch (method.methodKind) {
    case "unary":
      return (request: Init, options?: CallOptions) =>
        answer(options, (reply) =>
          grpc.makeUnaryRequest(path, serialize, deserialize, request, metadata(), deadline(timeoutMs), reply),
        );
    case "client_streaming":
      return (requests: AsyncIterable<Init>, options?: CallOptions) =>
        answer(options, (reply) => {
          const sent = { failure: undefined };
          const settle: Reply = (error, response) => reply(sent.failure ?? error, response);
          const call = grpc.makeClientStreamRequest(path, serialize, deserialize, metadata(), deadline(), settle);
          send(requests, call, sent);
          return call;
        });
    case "server_streaming":
      return (request: Init, options?: CallOptions) =>
        responses(options, () => ({
          call: grpc.makeServerStreamRequest(path, serialize, deserialize, request, metadata(), deadline()),
        }));
    case "bidi_streaming":
      return (requests: AsyncIterable<Init>, options?: CallOptions) =>
        responses(options, () => {
          const call = grpc.makeBidiStreamRequest(path, serialize, deserialize, metadata(), deadline());
          const sent = { failure: undefined };
          send(requests, call, sent);
          return { call, sent };
        });
  }
}

type Reply = (error: Error | null, response?: Message) => void;

/** How the requests of a stream went out: the failure of their source is what the caller should see. */
interface Sent {
  failure: Error | undefined;
}

async function answer(options: CallOptions | undefined, start: (reply: Reply) => Cancellable): Promise<Message> {
  const signals = signalsOf(options);
  for (const signal of signals) if (signal.aborted) throw cancelled(signal);
  return new Promise<Message>((resolve, reject) => {
    let stopWatching = () => {};
    const call = start((error, response) => {
      stopWatching();
      if (error !== null) reject(toCallerError(error));
      else resolve(response as Message);
    });
    stopWatching = cancelOn(signals, call);
  });
}

async function* responses(
  options: CallOptions | undefined,
  start: () => { call: ClientReadableStream<Message> | ClientDuplexStream<Init, Message>; sent?: Sent },
): AsyncGenerator<Message, void, undefined> {
  const signals = signalsOf(options);
  for (const signal of signals) if (signal.aborted) throw cancelled(signal);
  const { call, sent } = start();
  const stopWatching = cancelOn(signals, call);
  try {
    yield* readResponses<Message>(call);
  } catch (error) {
    throw sent?.failure ?? toCallerError(error);
  } finally {
    stopWatching();
  }
}

/** Sends all of `requests`. A source that fails cancels the call; a call that ends stops the source. */
function send(requests: AsyncIterable<Init>, call: Writable & Cancellable, sent: Sent): void {
  const ended = new AbortController();
  call.on("status", () => ended.abort());
  writeAll(requests, call, ended.signal).then(
    () => call.end(),
    (error) => {
      sent.failure = error instanceof Error ? error : new Error(String(error));
      call.cancel();
    },
  );
}

function signalsOf(options: CallOptions | undefined): readonly AbortSignal[] {
  return [options?.signal, currentContext()?.signal].filter((signal) => signal !== undefined);
}

function cancelOn(signals: readonly AbortSignal[], call: Cancellable): () => void {
  const cancel = () => call.cancel();
  for (const signal of signals) signal.addEventListener("abort", cancel, { once: true });
  return () => {
    for (const signal of signals) signal.removeEventListener("abort", cancel);
  };
}

function cancelled(signal: AbortSignal): AppError {
  if (signal.reason instanceof AppError) return signal.reason;
  return new AppError({
    kind: "cancelled",
    reason: "CANCELLED",
    domain: "shoal.rpc",
    message: "the call was cancelled before it began",
    cause: signal.reason,
  });
}

/** The lesser of the method's own timeout and what is left of the call that is being served. */
function deadline(timeoutMs = Number.POSITIVE_INFINITY): { deadline?: number } {
  const at = Math.min(Date.now() + timeoutMs, currentContext()?.deadline ?? Number.POSITIVE_INFINITY);
  return at === Number.POSITIVE_INFINITY ? {} : { deadline: at };
}

function metadata(): Metadata {
  const sent = new Metadata();
  const requestId = currentContext()?.requestId;
  if (requestId !== undefined) sent.set(requestIdKey, requestId);
  return sent;
}

function toCallerError(error: unknown): unknown {
  const isServiceError = error instanceof Error && "code" in error && "details" in error && "metadata" in error;
  return isServiceError ? fromServiceError(error as ServiceError) : error;
}
