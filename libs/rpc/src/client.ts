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
import { decodeResponse, encode, type Init, methodDefinition } from "./codec.ts";
import { fromServiceError } from "./errors.ts";
import { defaultMethodPolicy, largest, type MethodPolicy, type PolicyOverrides, pathOf, policiesOf } from "./policy.ts";
import { serviceConfigOf } from "./service-config.ts";
import { readResponses, writeAll } from "./streams.ts";
import { writeContext } from "./wire-context.ts";

/** How a client reaches its service. */
export interface ClientOptions {
  /** `HOST:PORT`; an IPv6 address in brackets. */
  readonly address: string;
  /** What this deployment sets otherwise than the contract. */
  readonly policies?: PolicyOverrides;
  /** How much of the time that is left to a call its own calls leave to it, in milliseconds, 0 to 60,000. */
  readonly marginMs?: number;
}

/** A margin of 10 ms: enough to answer before the caller stops waiting. */
export const defaultClientOptions = Object.freeze({ marginMs: 10 });

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
 * A function for each method of a service: promises for single answers, generators for streams. Every failure of a call
 * is an {@link AppError} of the kind that the service meant; a request that its fields cannot hold is the codec's error. Leaving a stream's loop early cancels its call.
 * Disposing of the client closes its connection.
 */
export type Client<S extends DescService> = { readonly [K in keyof S["method"]]: Call<S["method"][K]> } & Disposable;

/**
 * A client for `service` at an address. Connects when first used and again when the connection is lost. The deadline,
 * the cancellation and the rest of the context of the call that is being served are passed on. Timeouts, retries and
 * limits are those of the contract's policies. The caller disposes of it. Throws a `RangeError` for options out of range,
 * and an `Error` that names the method for a policy that cannot be used.
 */
export function createClient<S extends DescService>(service: S, options: ClientOptions): Client<S> {
  const { address, policies: overrides, marginMs } = { ...defaultClientOptions, ...options };
  requireInteger("marginMs", marginMs, 0, 60_000);
  const policies = policiesOf(service, overrides);
  const grpc = new GrpcClient(address, credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify(serviceConfigOf(policies)),
    "grpc.service_config_disable_resolution": 1,
    "grpc.max_receive_message_length": largest(policies, "maxResponseBytes"),
    // grpc-js would wait up to 2 minutes between attempts, and so stay away long after the service is back.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2_000,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 15_000,
    "grpc.enable_channelz": 0,
  });
  const methods = service.methods.map((method) => {
    const policy = policies.get(pathOf(method)) ?? defaultMethodPolicy;
    return [method.localName, caller(grpc, method, policy, marginMs)];
  });
  const client = { ...Object.fromEntries(methods), [Symbol.dispose]: () => grpc.close() };
  return client as unknown as Client<S>;
}

/** The part of every grpc-js client call that can be ended. */
interface Cancellable {
  cancel(): void;
}

function caller(grpc: GrpcClient, method: DescMethod, policy: MethodPolicy, marginMs: number): unknown {
  const { path, requestSerialize: serialize, responseDeserialize: deserialize } = methodDefinition(method);
  const encodeRequest = (init: Init) => encode(method.input, init);
  const decode = (bytes: Buffer) => decodeResponse(method.output, bytes, policy.maxResponseBytes);
  const deadline = () => deadlineOf(policy.timeoutMs, marginMs);
  switch (method.methodKind) {
    case "unary":
      return (request: Init, options?: CallOptions) =>
        answer(options, decode, (reply) => {
          const bytes = encodeRequest(request);
          return grpc.makeUnaryRequest(path, serialize, deserialize, bytes, metadata(), deadline(), reply);
        });
    case "client_streaming":
      return (requests: AsyncIterable<Init>, options?: CallOptions) =>
        answer(options, decode, (reply) => {
          const sent: Sent = { failure: undefined };
          const settle: Reply = (error, response) => reply(sent.failure ?? error, response);
          const call = grpc.makeClientStreamRequest(path, serialize, deserialize, metadata(), deadline(), settle);
          send(requests, encodeRequest, call, sent);
          return call;
        });
    case "server_streaming":
      return (request: Init, options?: CallOptions) =>
        responses(options, decode, () => {
          const bytes = encodeRequest(request);
          return { call: grpc.makeServerStreamRequest(path, serialize, deserialize, bytes, metadata(), deadline()) };
        });
    case "bidi_streaming":
      return (requests: AsyncIterable<Init>, options?: CallOptions) =>
        responses(options, decode, () => {
          const call = grpc.makeBidiStreamRequest(path, serialize, deserialize, metadata(), deadline());
          const sent: Sent = { failure: undefined };
          send(requests, encodeRequest, call, sent);
          return { call, sent };
        });
  }
}

type Reply = (error: Error | null, response?: Buffer) => void;
type Decode = (bytes: Buffer) => Message;

/** How the requests of a stream went out: the failure of their source is what the caller should see. */
interface Sent {
  failure: Error | undefined;
}

async function answer(
  options: CallOptions | undefined,
  decode: Decode,
  start: (reply: Reply) => Cancellable,
): Promise<Message> {
  const signals = liveSignals(options);
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    let stopWatching = () => {};
    const call = start((error, response) => {
      stopWatching();
      if (error !== null) reject(toCallerError(error));
      else resolve(response as Buffer);
    });
    stopWatching = cancelOn(signals, call);
  });
  return decode(bytes);
}

async function* responses(
  options: CallOptions | undefined,
  decode: Decode,
  start: () => { call: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>; sent?: Sent },
): AsyncGenerator<Message, void, undefined> {
  const signals = liveSignals(options);
  const { call, sent } = start();
  const stopWatching = cancelOn(signals, call);
  try {
    yield* readResponses(call, decode);
  } catch (error) {
    throw sent?.failure ?? toCallerError(error);
  } finally {
    stopWatching();
  }
}

/** Sends all of `requests`. A source that fails cancels the call; a call that ends closes the source at its next item. */
function send(
  requests: AsyncIterable<Init>,
  encodeRequest: (init: Init) => Buffer,
  call: Writable & Cancellable,
  sent: Sent,
): void {
  const ended = new AbortController();
  call.on("status", () => ended.abort());
  writeAll(requests, encodeRequest, call, ended.signal).then(
    () => call.end(),
    (error) => {
      sent.failure = error instanceof Error ? error : new Error(String(error));
      call.cancel();
    },
  );
}

/** The signals that end a call; throws when one has ended it before it began. */
function liveSignals(options: CallOptions | undefined): readonly AbortSignal[] {
  const signals = [options?.signal, currentContext()?.signal].filter((signal) => signal !== undefined);
  for (const signal of signals) if (signal.aborted) throw cancelled(signal);
  return signals;
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

/**
 * The lesser of the method's own timeout and what is left of the call that is being served, less a margin to answer in.
 * Throws when nothing is left: what would come too late is not begun.
 */
function deadlineOf(timeoutMs: number, marginMs: number): { deadline?: number } {
  const now = Date.now();
  const at = Math.min(now + timeoutMs, (currentContext()?.deadline ?? Number.POSITIVE_INFINITY) - marginMs);
  if (at > now) return at === Number.POSITIVE_INFINITY ? {} : { deadline: at };
  throw new AppError({
    kind: "timeout",
    reason: "DEADLINE_EXCEEDED",
    domain: "shoal.rpc",
    message: "too little time is left for the call",
  });
}

function metadata(): Metadata {
  const sent = new Metadata();
  const context = currentContext();
  if (context !== undefined) writeContext(sent, context);
  return sent;
}

function toCallerError(error: unknown): unknown {
  const isServiceError = error instanceof Error && "code" in error && "details" in error && "metadata" in error;
  return isServiceError ? fromServiceError(error as ServiceError) : error;
}
