import type { IncomingHttpHeaders } from "node:http2";
import { setImmediate as turn } from "node:timers/promises";
import type { DescMethod } from "@bufbuild/protobuf";
import { type ChannelOptions, Server, type ServerInterceptingCall, type ServiceDefinition } from "@grpc/grpc-js";
import { isAtWork, isIdle } from "@shoal/concurrency";
import { maxDelayMs, requireInteger, runWithContext } from "@shoal/kernel";
import { requireChannelOptions } from "../channel-options.ts";
import { methodDefinition } from "../codec.ts";
import { serverDraining } from "../errors.ts";
import { onListener, onRequestHeaders, tuneHttp2 } from "../grpc-js-internals.ts";
import { type LivePolicies, type LivePolicy, livePolicies } from "../live-policies.ts";
import { compose } from "../middleware.ts";
import { defaultMethodPolicy, type MethodPolicy, type PolicyOverrides, pathOf, requireWithin } from "../policy.ts";
import { Connections } from "./connections.ts";
import { earlyRefusal } from "./early-refusal.ts";
import type { AnyHandler, ServiceImplementation } from "./handlers.ts";
import { createHealth } from "./health.ts";
import { type ListenAddress, listen } from "./listen.ts";
import { requireRateLimits } from "./rate-limits.ts";
import { createReflection } from "./reflection.ts";
import { tidyRequestHeaders } from "./request-headers.ts";
import { abandonCall, callHandler, serveCall } from "./serve-call.ts";
import { ServedCall } from "./served-call.ts";
import { type ServerLayerOptions, serverLayers } from "./server-layers.ts";
import { ServerStream } from "./server-stream.ts";

/** What a server serves, and how. */
export interface ServerOptions extends ServerLayerOptions {
  /** The services, from {@link implement}. */
  readonly services: readonly ServiceImplementation[];
  /** What this deployment sets otherwise than the contracts, for good or as it may change. */
  readonly policies?: PolicyOverrides | LivePolicies;
  /** Calls at once on one connection, 1 to 1,000,000. */
  readonly maxStreamsPerConnection?: number;
  /** The most metadata that a call may bring, as HTTP/2 counts it (32 bytes an entry more), 1 KiB to 1 MiB. */
  readonly maxMetadataBytes?: number;
  /** How long a connection may be silent before it is asked whether it still lives, in milliseconds, 1,000 to 1 day. */
  readonly keepaliveMs?: number;
  /** How long it may take to answer that before it is closed, in milliseconds, 100 to 10 minutes. */
  readonly keepaliveTimeoutMs?: number;
  /** Further options of grpc-js (`grpc.max_connection_age_ms` and the like). A name that it does not know is an error. */
  readonly channelOptions?: ChannelOptions;
}

/**
 * 10,000 calls at work at once, 1,000 of them on one connection; 16 KiB of metadata; connections that are silent for 30
 * seconds have 15 seconds to answer.
 */
export const defaultServerOptions = Object.freeze({
  maxRunningCalls: 10_000,
  maxStreamsPerConnection: 1_000,
  maxMetadataBytes: 16 * 1024,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 15_000,
});

/** A gRPC server with health (grpc.health.v1) and reflection (v1, v1alpha) beside its services. */
export interface RpcServer {
  /** How many connections there are. */
  readonly connections: number;
  /**
   * Listens and reports SERVING; answers the port, 0 for a Unix socket. May be called for several addresses. Rejects with
   * the system's error (its `code` is `EADDRINUSE` or alike) when it cannot, for certificates that are no good, and once
   * the server drains.
   */
  listen(address: ListenAddress): Promise<number>;
  /**
   * Ends serving, in this order: reports NOT_SERVING; awaits `deregister`, which should take the server out of where
   * clients find it, and whose failure changes nothing; takes no more connections, sends GOAWAY on those that there are,
   * and tells streams without an end of their own to end; lets calls finish. What is not over after `graceMs` from the
   * start is ended, the calls with UNAVAILABLE (`SERVER_DRAINING`). No call is lost by that if it takes less and there is
   * another server: what comes too late is refused in a way that clients repeat by themselves, whatever their policy.
   *
   * Resolves, at most 2 seconds after the grace period; answers whether something had to be ended. Leaves nothing that
   * keeps the process. May be called listening or not, and again: that can only shorten the grace period. Rejects with a
   * `RangeError` for a grace period that is none; `Infinity` waits for 24 days.
   */
  drain(graceMs: number, deregister?: () => Promise<void>): Promise<{ readonly forced: boolean }>;
}

/**
 * Makes a server; see {@link RpcServer}. The caller drains it. Throws a `RangeError` for options out of range, and an
 * `Error` that names the method for a policy that cannot be used.
 */
export function createServer(options: ServerOptions): RpcServer {
  const all = { ...defaultServerOptions, ...options };
  requireInteger("maxRunningCalls", all.maxRunningCalls, 1, 1_000_000);
  requireInteger("maxStreamsPerConnection", all.maxStreamsPerConnection, 1, 1_000_000);
  requireInteger("maxMetadataBytes", all.maxMetadataBytes, 1_024, 1_048_576);
  requireInteger("keepaliveMs", all.keepaliveMs, 1_000, 86_400_000);
  requireInteger("keepaliveTimeoutMs", all.keepaliveTimeoutMs, 100, 600_000);
  requireChannelOptions(all.channelOptions);

  const health = createHealth(all.services.map(({ service }) => service.typeName));
  const ownServices = [
    health.implementation,
    ...createReflection([...all.services.map(({ service }) => service), health.implementation.service]),
  ];
  const implementations = [...all.services, ...ownServices];
  const guarded = all.identify === undefined ? implementations : ownServices;
  let maxRequestBytes: number | undefined;
  // Given back at once where the rest cannot be made: who is not there must hinder no change of the policies.
  using onFailure = new DisposableStack();
  const table = livePolicies(all.policies).use(
    implementations.map(({ service }) => service),
    (policies) => {
      requireOpen(policies, guarded);
      requireRateLimits(policies);
      maxRequestBytes = requireWithin(policies, "maxRequestBytes", maxRequestBytes);
    },
  );
  onFailure.defer(table.close);

  const draining = new AbortController();
  const running = new Set<ServedCall>();
  const atWork = { name: "calls", children: running };
  isAtWork(atWork);
  onFailure.defer(() => isIdle(atWork));
  const serve = new Map<string, Serve>();
  const server = new Server({
    "grpc.max_receive_message_length": maxRequestBytes ?? 0,
    "grpc.max_concurrent_streams": all.maxStreamsPerConnection,
    "grpc.enable_channelz": 0,
    "grpc.keepalive_time_ms": all.keepaliveMs,
    "grpc.keepalive_timeout_ms": all.keepaliveTimeoutMs,
    ...all.channelOptions,
    // Calls are taken over where grpc-js offers interceptors: what it would start itself is never started.
    interceptors: [
      ({ path, requestStream }, wire) => {
        const stream = new ServerStream(wire, !requestStream, serve.get(path) as Serve);
        return stream as unknown as ServerInterceptingCall;
      },
    ],
  });
  const connections = new Connections();
  tuneHttp2(server, all.maxMetadataBytes);
  onListener(server, (listener) => connections.add(listener));
  onRequestHeaders(server, checkOf(all, table.policies));

  const { errorDomain, onCallEnd, telemetry } = all;
  const layers = serverLayers(all);
  const ownLayers = serverLayers({ errorDomain, ...(telemetry && { telemetry }) });
  for (const implementation of implementations) {
    const around = ownServices.includes(implementation) ? ownLayers : layers;
    server.addService(definitionOf(implementation), {});
    for (const [method, handler] of methodsOf(implementation)) {
      const path = pathOf(method);
      const served = { method, path, policy: table.policies.get(path) ?? { current: defaultMethodPolicy } };
      const run = compose(
        around.map((layer) => layer.run),
        (context) => callHandler(context as ServedCall, handler),
      );
      serve.set(path, (stream) => {
        const call = new ServedCall(served, stream, draining.signal);
        running.add(call);
        void runWithContext(call, async () => {
          await serveCall(call, run, onCallEnd).finally(() => running.delete(call));
        });
      });
    }
  }

  const listens = new Set<Promise<number>>();
  const forcing = Promise.withResolvers<void>();
  let drained: Promise<void> | undefined;
  let forced: Promise<void> | undefined;

  /** All steps but the force. Resolves when no connection is left. */
  const endServing = async (deregister: () => Promise<void>) => {
    health.set(false);
    await Promise.race([Promise.allSettled(listens), forcing.promise]);
    await Promise.race([(async () => deregister())().catch(() => {}), forcing.promise]);
    // Watchers of the health read NOT_SERVING before they are told to go: it is sent at the end of this turn.
    await turn();
    connections.close();
    // Takes no more connections, and sends GOAWAY on those that there are; each closes with its last call. The GOAWAY names
    // the last call that has come in. Those that are on their way are refused, by which gRPC knows that no handler has seen
    // them, and clients send them to another server by themselves. (A first GOAWAY without that limit, as other servers
    // send it, would let them in; but Node reads no further on a connection without calls once it has sent one.)
    const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    // Streams end only now, for whoever begins one anew must do so elsewhere.
    draining.abort();
    await ended;
  };

  const force = async (ended: Promise<void>) => {
    forcing.resolve();
    // grpc-js's own forceShutdown ends no session while channelz is off, so calls and connections are ended here.
    for (const call of running) abandonCall(call, serverDraining(), onCallEnd);
    if (await within(forceMs, ended)) return;
    connections.cut();
    await within(forceMs, ended);
  };

  onFailure.move();
  return {
    get connections() {
      return connections.count;
    },
    listen: async (address) => {
      const bound = drained === undefined ? listen(server, address) : Promise.reject(listenedTooLate());
      listens.add(bound);
      const port = await bound.finally(() => listens.delete(bound));
      if (drained !== undefined) throw listenedTooLate();
      health.set(true);
      return port;
    },
    drain: async (graceMs, deregister = () => Promise.resolve()) => {
      if (!(graceMs >= 0)) throw new RangeError(`graceMs must be 0 or more, not ${graceMs}`);
      drained ??= endServing(deregister);
      if (!(await within(graceMs, drained))) forced ??= force(drained);
      await forced;
      table.close();
      isIdle(atWork);
      server.forceShutdown();
      return { forced: forced !== undefined };
    },
  };
}

function listenedTooLate(): Error {
  return new Error("the server drains, and listens no more");
}

/** What is looked at of each call before it is made. Health and reflection are never refused. */
function checkOf({ services, shedder, onRefused }: ServerOptions, all: ReadonlyMap<string, LivePolicy>) {
  if (shedder === undefined) return tidyRequestHeaders;
  const own = services.flatMap(({ service }) => service.methods.map(pathOf));
  const refusal = earlyRefusal(shedder, new Map([...all].filter(([path]) => own.includes(path))), onRefused);
  return (headers: IncomingHttpHeaders) => tidyRequestHeaders(headers) ?? refusal(headers);
}

type Serve = (stream: ServerStream) => void;

/** A method that asks for authorization must not be served to everybody where it cannot be found out who calls. */
function requireOpen(policies: ReadonlyMap<string, MethodPolicy>, services: readonly ServiceImplementation[]): void {
  for (const method of services.flatMap(({ service }) => service.methods))
    if (policies.get(pathOf(method))?.scopes !== undefined)
      throw new Error(
        `the policy of ${pathOf(method)} asks for authorization; ` +
          "give the server the option identify, which tells who calls (health and reflection cannot be guarded)",
      );
}

function definitionOf({ service }: ServiceImplementation): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method)]));
}

function methodsOf({ service, handlers }: ServiceImplementation): (readonly [DescMethod, AnyHandler])[] {
  return service.methods.map((method) => {
    const handler = handlers[method.localName];
    if (handler === undefined) throw new TypeError(`${service.typeName}: no handler for ${method.name}`);
    return [method, handler] as const;
  });
}

/** How long connections may take to close once their calls have been ended, in milliseconds. */
const forceMs = 1_000;

/** Whether `done` resolved within `ms` milliseconds. */
async function within(ms: number, done: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.min(ms, maxDelayMs));
  });
  const inTime = await Promise.race([done.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}
