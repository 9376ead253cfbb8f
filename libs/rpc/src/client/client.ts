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
import { type BalancerState, balancerStateOption, Endpoint, type Registry } from "@shoal/discovery";
import { requireInteger } from "@shoal/kernel";
import {
  Bulkhead,
  type BulkheadOptions,
  defaultRetryBudgetOptions,
  RetryBudget,
  type RetryBudgetSettings,
} from "@shoal/resilience";
import { requireChannelOptions } from "../channel-options.ts";
import { codeOf } from "../errors.ts";
import { type LivePolicies, type LivePolicy, livePolicies } from "../live-policies.ts";
import { compose, type Middleware } from "../middleware.ts";
import { defaultMethodPolicy, type MethodPolicy, type PolicyOverrides, pathOf, requireWithin } from "../policy.ts";
import { tell } from "../tell.ts";
import { type ClientTls, clientCredentials } from "../tls.ts";
import { type Balancing, type BalancingSetup, balancingOf } from "./balancing.ts";
import { createBreaker, MethodBreakers } from "./breakers.ts";
import type { ClientCore } from "./call-run.ts";
import { type CallOptions, ClientCall, type ClientContext, runCall } from "./client-call.ts";
import type { ClientTelemetry } from "./client-telemetry.ts";
import { ConnectTimeoutCredentials } from "./connect-timeout.ts";
import { type Fallbacks, fallingBack, requireFallbacks } from "./fallbacks.ts";
import { systemAttemptClock } from "./further-attempts.ts";
import type { OnResilienceEvent } from "./resilience-events.ts";

/** A layer around the calls of a client. */
export type ClientMiddleware = Middleware<ClientContext>;

/** What became of a call, told when it has ended with all its attempts. */
export interface ClientCallEnd {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The gRPC code that it ended with, by name: `OK`, `NOT_FOUND`, … A fallback's answer changes nothing of it. */
  readonly code: string;
  readonly durationMs: number;
  readonly context: ClientContext;
  /** Why it failed. */
  readonly error?: unknown;
  /** Whether its caller has got a fallback's answer all the same. */
  readonly degraded: boolean;
}

/** How many calls a client makes at once; what is left out is as by default. */
export type ClientBulkhead = Partial<Pick<BulkheadOptions, "maxCalls" | "maxWaiting" | "maxWaitMs">>;

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
  /** What this deployment sets otherwise than the contract; `LivePolicies` may change while the client is in use. */
  readonly policies?: PolicyOverrides | LivePolicies;
  /**
   * How many calls to this service there may be at once, streams among them, connected or not; more fail at once, or wait
   * for a moment where that is set. A `Bulkhead` may be shared by clients, and changed while they are in use.
   */
  readonly bulkhead?: ClientBulkhead | Bulkhead;
  /** How many attempts besides the first the calls of this client may make, retries and hedges together. */
  readonly retryBudget?: Partial<RetryBudgetSettings>;
  /** Told what the client does about trouble with its callees, for metrics and logs. Must not throw. */
  readonly onResilienceEvent?: OnResilienceEvent;
  /** How its calls are seen, as traces and metrics: `clientTelemetry`. Default: not at all. */
  readonly telemetry?: ClientTelemetry | undefined;
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
 * No compression; 10,000 calls at once, of which none waits; a budget of 50 attempts at once besides the first ones, and of
 * one for each ten calls in the long run; a margin of 10 ms: enough to answer before the caller stops waiting; 5 seconds to
 * connect; connections that are silent for 30 seconds have 15 seconds to answer.
 */
export const defaultClientOptions = Object.freeze({
  middleware: Object.freeze([]),
  bulkhead: Object.freeze({ maxCalls: 10_000, maxWaiting: 0, maxWaitMs: 100 }),
  retryBudget: defaultRetryBudgetOptions,
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

/** What a client answers its own callers in place of what has failed. */
export interface ClientFallbacks<S extends DescService> {
  /** Degraded answers, by method: see {@link Fallbacks}. Default: none. */
  readonly fallbacks?: Fallbacks<S>;
}

/**
 * A client for `service` at an address. Connects when first used and again when the connection is lost. The deadline,
 * the cancellation and the rest of the context of the call that is being served are passed on. Timeouts, retries and
 * limits are those of the contract's policies. The caller disposes of it. Throws a `RangeError` for options out of range,
 * and an `Error` that names the method for a policy that cannot be used.
 */
export function createClient<S extends DescService>(
  service: S,
  options: ClientOptions & ClientFallbacks<S>,
): Client<S> {
  const all = { ...defaultClientOptions, ...options };
  requireInteger("marginMs", all.marginMs, 0, 60_000);
  requireInteger("connectTimeoutMs", all.connectTimeoutMs, 10, 600_000);
  requireInteger("keepaliveMs", all.keepaliveMs, 1_000, 86_400_000);
  requireInteger("keepaliveTimeoutMs", all.keepaliveTimeoutMs, 100, 600_000);
  requireChannelOptions(all.channelOptions);
  const { fallbacks, onResilienceEvent } = options;
  if (fallbacks !== undefined) requireFallbacks(service, fallbacks);
  const budget = new RetryBudget({
    ...all.retryBudget,
    onEvent: ({ type, tokens }) => tell(onResilienceEvent, { type: "retry-budget", state: type, tokens }),
  });
  const bulkhead =
    all.bulkhead instanceof Bulkhead
      ? all.bulkhead
      : new Bulkhead({ ...defaultClientOptions.bulkhead, ...all.bulkhead, name: all.address });
  const balancing = balancingOf(service, all);
  let maxResponseBytes: number | undefined;
  // Given back at once where the rest cannot be made: who is not there must hinder no change of the policies.
  using onFailure = new DisposableStack();
  const { policies, close } = livePolicies(all.policies).use([service], (changed) => {
    maxResponseBytes = requireWithin(changed, "maxResponseBytes", maxResponseBytes);
    requireBreakers(changed);
  });
  onFailure.defer(close);
  let balancer: BalancerState | undefined;
  const secure = all.tls === undefined ? credentials.createInsecure() : clientCredentials(all.tls);
  const channel = new Channel(all.address, new ConnectTimeoutCredentials(secure, all.connectTimeoutMs), {
    // It says nothing of attempts, which the client makes itself: grpc-js repeats only what no server has seen.
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [balancing.config] }),
    "grpc.service_config_disable_resolution": 1,
    "grpc.max_receive_message_length": maxResponseBytes ?? defaultMethodPolicy.maxResponseBytes,
    "grpc.default_compression_algorithm":
      compressionAlgorithms[all.compression === "none" ? "identity" : all.compression],
    // grpc-js would wait up to 2 minutes between attempts, and so stay away long after the service is back.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2_000,
    "grpc.keepalive_time_ms": all.keepaliveMs,
    "grpc.keepalive_timeout_ms": all.keepaliveTimeoutMs,
    "grpc.enable_channelz": 0,
    [balancerStateOption]: (state: BalancerState) => {
      balancer = state;
    },
    ...balancing.channelOptions,
    ...all.channelOptions,
  });
  onFailure.defer(() => channel.close());
  const core: ClientCore = {
    channel,
    isBalanced: balancing.isBalanced,
    target: new Endpoint({ address: all.address, zone: "", weight: 1, startedAt: 0 }),
    marginMs: all.marginMs,
    budget,
    bulkhead,
    clock: systemAttemptClock,
    onEvent: onResilienceEvent,
    attempts: all.telemetry?.attempts(all.address),
  };
  const middleware =
    all.telemetry === undefined ? all.middleware : [all.telemetry.layer(all.address), ...all.middleware];
  const layers = compose<ClientContext>(middleware, (call) => runCall(core, call as ClientCall));
  const covered = fallbacks === undefined ? layers : fallingBack(layers, fallbacks, onResilienceEvent);
  const run = all.onCallEnd === undefined ? covered : telling(covered, all.onCallEnd);
  const canCompress = all.compression !== "none";
  const methods = service.methods.map((method) => {
    const path = pathOf(method);
    const policy = policies.get(path) ?? { current: defaultMethodPolicy };
    return { method, path, policy, breakers: new MethodBreakers(path, onResilienceEvent) };
  });
  const endWatch = all.telemetry?.watch(all.address, {
    budget,
    get balancer() {
      return balancer;
    },
    breakers: () => {
      const endpoints = balancing.isBalanced ? [...(balancer?.endpoints ?? [])] : [core.target];
      return methods
        .filter(({ policy }) => policy.current.breaker !== undefined)
        .map(({ path, policy, breakers }) => ({ path, kinds: breakers.statesOf(policy.current.breaker, endpoints) }));
    },
  });
  onFailure.defer(() => endWatch?.());
  const calls = methods.map(({ method, policy, breakers }) => [
    method.localName,
    caller(method, policy, breakers, run, canCompress, balancing),
  ]);
  const held = onFailure.move();
  const client = { ...Object.fromEntries(calls), [Symbol.dispose]: () => held.dispose() };
  return client as unknown as Client<S>;
}

/** Throws an `Error` that names the method for a breaker that cannot be made. */
function requireBreakers(policies: ReadonlyMap<string, MethodPolicy>): void {
  for (const [path, { breaker }] of policies) {
    try {
      if (breaker !== undefined) createBreaker(breaker);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`the breaker of ${path} cannot be made: ${why}`, { cause: error });
    }
  }
}

/** Runs calls through their layers, and tells how they ended. */
function telling(
  layers: (context: ClientContext) => Promise<void>,
  onCallEnd: (end: ClientCallEnd) => void,
): (context: ClientContext) => Promise<void> {
  return (context) => {
    const startedAt = performance.now();
    const end = (code: status, degraded: boolean) => {
      const { path } = context;
      return { path, code: status[code], durationMs: performance.now() - startedAt, context, degraded };
    };
    return layers(context).then(
      () => {
        const { degradedBy: error } = context as ClientCall;
        if (error === undefined) tell(onCallEnd, end(status.OK, false));
        else tell(onCallEnd, { ...end(codeOf(error), true), error });
      },
      (error) => {
        tell(onCallEnd, { ...end(codeOf(error), false), error });
        throw error;
      },
    );
  };
}

function caller(
  method: DescMethod,
  policy: LivePolicy,
  breakers: MethodBreakers,
  run: (context: ClientContext) => Promise<void>,
  canCompress: boolean,
  balancing: BalancingSetup,
): unknown {
  const { methodKind } = method;
  const takesOne = methodKind === "unary" || methodKind === "server_streaming";
  const single = methodKind === "unary" || methodKind === "client_streaming";
  const all = { method, path: pathOf(method), policy, single, breakers };
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
