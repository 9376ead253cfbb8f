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
import { Channel, type ChannelOptions, compressionAlgorithms, credentials, status } from "@grpc/grpc-js";
import type { Registry } from "@shoal/discovery";
import { requireInteger } from "@shoal/kernel";
import { requireChannelOptions } from "../channel-options.ts";
import { codeOf } from "../errors.ts";
import { compose, type Middleware } from "../middleware.ts";
import {
  defaultMethodPolicy,
  largest,
  type MethodPolicy,
  type PolicyOverrides,
  pathOf,
  policiesOf,
} from "../policy.ts";
import { tell } from "../tell.ts";
import { type ClientTls, clientCredentials } from "../tls.ts";
import { type Balancing, type BalancingSetup, balancingOf } from "./balancing.ts";
import { attempt, type CallOptions, ClientCall, type ClientContext } from "./client-call.ts";
import { ConnectTimeoutCredentials } from "./connect-timeout.ts";
import { serviceConfigOf } from "./service-config.ts";

/** A layer around the calls of a client. */
export type ClientMiddleware = Middleware<ClientContext>;

/** What became of a call, told when it has ended with all its attempts. */
export interface ClientCallEnd {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The gRPC code that it ended with, by name: `OK`, `NOT_FOUND`, … */
  readonly code: string;
  readonly durationMs: number;
  readonly context: ClientContext;
  /** Why it failed. */
  readonly error?: unknown;
}

/** How a client reaches its service. */
export interface ClientOptions {
  /**
   * `shoal:///SERVICE` (its instances as the registry names them), `HOST:PORT` (an IPv6 address in brackets), `unix:PATH`,
   * or several addresses as `ipv4:ADDRESS:PORT,ADDRESS:PORT`.
   */
  readonly address: string;
  /** Where the instances of an address `shoal:///SERVICE` are found. It stays the caller's, who closes it after the client. */
  readonly registry?: Registry | undefined;
  /** How the server's certificate is checked. Not set: the connection is not encrypted. */
  readonly tls?: ClientTls;
  /** Which of several instances a call goes to: by default `p2c_ewma` for `shoal:///SERVICE`, else `pick_first`. */
  readonly balancing?: Balancing;
  /** The client's own zone: instances that are announced in it are preferred, unless `balancing` has another. */
  readonly zone?: string;
  /** What this deployment sets otherwise than the contract. */
  readonly policies?: PolicyOverrides;
  /** Layers around each call, the first outermost. Attempts that the contract's policy makes are within them. */
  readonly middleware?: readonly ClientMiddleware[];
  /** Told of every call that ends, for metrics and logs. Must not throw. */
  readonly onCallEnd?: (end: ClientCallEnd) => void;
  /**
   * How requests are compressed, those of 1 KiB and more, by calls that do not say otherwise. Answers are decompressed as
   * they come, whatever this says.
   */
  readonly compression?: "none" | "gzip" | "deflate";
  /** How much of the time that is left to a call its own calls leave to it, in milliseconds, 0 to 60,000. */
  readonly marginMs?: number;
  /** How long a peer that accepts a connection may take until it talks HTTP/2, in milliseconds, 10 to 10 minutes. */
  readonly connectTimeoutMs?: number;
  /** How long a connection with calls may be silent before it is asked whether it lives, in milliseconds, 1,000 to 1 day. */
  readonly keepaliveMs?: number;
  /** How long it may take to answer that before it is closed, in milliseconds, 100 to 10 minutes. */
  readonly keepaliveTimeoutMs?: number;
  /** Further options of grpc-js. A name that it does not know is an error. */
  readonly channelOptions?: ChannelOptions;
}

/**
 * No compression; a margin of 10 ms: enough to answer before the caller stops waiting; 5 seconds
 * to connect; connections that are silent for 30 seconds have 15 seconds to answer.
 */
export const defaultClientOptions = Object.freeze({
  middleware: Object.freeze([]),
  compression: "none",
  marginMs: 10,
  connectTimeoutMs: 5_000,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 15_000,
});

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
 * is an {@link AppError} of the kind that the service meant; a request that its fields cannot hold is the codec's error.
 * Leaving a stream's loop early cancels its call. Disposing of the client closes its connection.
 */
export type Client<S extends DescService> = { readonly [K in keyof S["method"]]: Call<S["method"][K]> } & Disposable;

/**
 * A client for `service` at an address. Connects when first used and again when the connection is lost. The deadline,
 * the cancellation and the rest of the context of the call that is being served are passed on. Timeouts, retries and
 * limits are those of the contract's policies. The caller disposes of it. Throws a `RangeError` for options out of range,
 * and an `Error` that names the method for a policy that cannot be used.
 */
export function createClient<S extends DescService>(service: S, options: ClientOptions): Client<S> {
  const all = { ...defaultClientOptions, ...options };
  requireInteger("marginMs", all.marginMs, 0, 60_000);
  requireInteger("connectTimeoutMs", all.connectTimeoutMs, 10, 600_000);
  requireInteger("keepaliveMs", all.keepaliveMs, 1_000, 86_400_000);
  requireInteger("keepaliveTimeoutMs", all.keepaliveTimeoutMs, 100, 600_000);
  requireChannelOptions(all.channelOptions);
  const policies = policiesOf(service, all.policies);
  const balancing = balancingOf(service, all);
  const secure = all.tls === undefined ? credentials.createInsecure() : clientCredentials(all.tls);
  const channel = new Channel(all.address, new ConnectTimeoutCredentials(secure, all.connectTimeoutMs), {
    "grpc.service_config": JSON.stringify(serviceConfigOf(policies, balancing.config)),
    "grpc.service_config_disable_resolution": 1,
    "grpc.max_receive_message_length": largest(policies, "maxResponseBytes"),
    "grpc.default_compression_algorithm":
      compressionAlgorithms[all.compression === "none" ? "identity" : all.compression],
    // grpc-js would wait up to 2 minutes between attempts, and so stay away long after the service is back.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2_000,
    "grpc.keepalive_time_ms": all.keepaliveMs,
    "grpc.keepalive_timeout_ms": all.keepaliveTimeoutMs,
    "grpc.enable_channelz": 0,
    ...balancing.channelOptions,
    ...all.channelOptions,
  });
  const layers = compose<ClientContext>(all.middleware, (call) => attempt(channel, call as ClientCall, all.marginMs));
  const run = all.onCallEnd === undefined ? layers : telling(layers, all.onCallEnd);
  const canCompress = all.compression !== "none";
  const methods = service.methods.map((method) => {
    const policy = policies.get(pathOf(method)) ?? defaultMethodPolicy;
    return [method.localName, caller(method, policy, run, canCompress, balancing)];
  });
  const client = { ...Object.fromEntries(methods), [Symbol.dispose]: () => channel.close() };
  return client as unknown as Client<S>;
}

/** Runs calls through their layers, and tells how they ended. */
function telling(
  layers: (context: ClientContext) => Promise<void>,
  onCallEnd: (end: ClientCallEnd) => void,
): (context: ClientContext) => Promise<void> {
  return (context) => {
    const startedAt = performance.now();
    const end = (code: status) => {
      const { path } = context;
      return { path, code: status[code], durationMs: performance.now() - startedAt, context };
    };
    return layers(context).then(
      () => tell(onCallEnd, end(status.OK)),
      (error) => {
        tell(onCallEnd, { ...end(codeOf(error)), error });
        throw error;
      },
    );
  };
}

function caller(
  method: DescMethod,
  policy: MethodPolicy,
  run: (context: ClientContext) => Promise<void>,
  canCompress: boolean,
  balancing: BalancingSetup,
): unknown {
  const { methodKind } = method;
  const takesOne = methodKind === "unary" || methodKind === "server_streaming";
  const single = methodKind === "unary" || methodKind === "client_streaming";
  const all = { method, path: pathOf(method), policy, single };
  const prepare = balancing.prepare(method);
  const begin = (input: never, options: CallOptions) => {
    if (options.compress === true && !canCompress)
      throw new RangeError("compress: this client cannot; create it with the option compression");
    if (Number.isNaN(options.timeoutMs)) throw new RangeError("timeoutMs must be a number of milliseconds, not NaN");
    const call = new ClientCall(all, takesOne ? { request: input } : { requests: input }, options);
    prepare?.(call);
    return call;
  };
  if (single)
    return async (input: never, options: CallOptions = {}): Promise<Message> => {
      const call = begin(input, options);
      try {
        await run(call);
      } catch (error) {
        // A layer may have given up a call that still runs.
        call.leave();
        throw error;
      }
      return call.answer();
    };
  return (input: never, options: CallOptions = {}) => responsesOf(begin(input, options), run);
}

/** The answers of a call, whose layers run beside their reader. A reader that leaves cancels the call. */
async function* responsesOf(
  call: ClientCall,
  run: (context: ClientContext) => Promise<void>,
): AsyncGenerator<Message, void, undefined> {
  const running = run(call);
  // Whoever reads is told of a failure below, a layer's own too; who has left is not.
  running.catch(() => call.leave());
  try {
    yield* call.responses(running);
    await running;
  } finally {
    call.leave();
  }
}
