import { once } from "node:events";
import { createServer as createTcpServer, isIPv6 } from "node:net";
import type { DescMethod, Message } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { type CallContext, requireInteger, runWithContext } from "@shoal/kernel";
import { createServedCall, type ServerCall } from "./call-context.ts";
import { decodeRequest, encode, type Init, methodDefinition } from "./codec.ts";
import { codeOf, serverDraining, toGrpcStatus } from "./errors.ts";
import type { AnyHandler, HandlerContext, ServiceImplementation } from "./handlers.ts";
import { createHealth } from "./health.ts";
import { defaultMethodPolicy, largest, type MethodPolicy, type PolicyOverrides, pathOf, policiesOf } from "./policy.ts";
import { createReflection } from "./reflection.ts";
import { readRequests, writeAll } from "./streams.ts";
import { requireValid } from "./validation.ts";

/** What became of a call, told when it has ended. */
export interface CallEnd {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The gRPC code that was answered, by name: `OK`, `NOT_FOUND`, … */
  readonly code: string;
  readonly durationMs: number;
  readonly context: CallContext;
  /** Why it failed; for `INTERNAL` this is what the caller was not told. */
  readonly error?: unknown;
}

/** What a server serves, and how. */
export interface ServerOptions {
  /** The services, from {@link implement}. */
  readonly services: readonly ServiceImplementation[];
  /** Owns the errors that the contract's rules raise, such as `shoal.order`. */
  readonly errorDomain: string;
  /** Told of every call that ends, health and reflection included. Must not throw. */
  readonly onCallEnd?: (end: CallEnd) => void;
  /** What this deployment sets otherwise than the contracts. */
  readonly policies?: PolicyOverrides;
  /** Calls at once on one connection, 1 to 1,000,000. */
  readonly maxStreamsPerConnection?: number;
}

/** 1,000 calls at once on a connection. */
export const defaultServerOptions = Object.freeze({ maxStreamsPerConnection: 1_000 });

/** A gRPC server with health (grpc.health.v1) and reflection (v1, v1alpha) beside its services. */
export interface RpcServer {
  /**
   * Listens on `host` and `port` (0: the system chooses) without TLS and reports SERVING; answers the port.
   * Rejects with the system's error (its `code` is `EADDRINUSE` or alike) when it cannot.
   */
  listen(host: string, port: number): Promise<number>;
  /**
   * Reports NOT_SERVING, refuses new calls, lets those at work finish for at most `graceMs` and then ends them.
   * Always resolves; answers whether calls had to be ended. May be called once, listening or not.
   */
  drain(graceMs: number): Promise<{ readonly forced: boolean }>;
}

/**
 * Makes a server; see {@link RpcServer}. The caller drains it. Throws a `RangeError` for options out of range, and an
 * `Error` that names the method for a policy that cannot be used.
 */
export function createServer(options: ServerOptions): RpcServer {
  const { services, errorDomain, onCallEnd, policies, maxStreamsPerConnection } = {
    ...defaultServerOptions,
    ...options,
  };
  requireInteger("maxStreamsPerConnection", maxStreamsPerConnection, 1, 1_000_000);
  const health = createHealth(services.map(({ service }) => service.typeName));
  const reflected = [...services.map(({ service }) => service), health.implementation.service];
  const all = [...services, health.implementation, ...createReflection(reflected)];
  const policyOf = new Map(all.flatMap(({ service }) => [...policiesOf(service, policies)]));
  requireOpen(policyOf);
  const server = new Server({
    "grpc.max_receive_message_length": largest(policyOf, "maxRequestBytes"),
    "grpc.max_concurrent_streams": maxStreamsPerConnection,
    "grpc.enable_channelz": 0,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 15_000,
    // One socket must not be shared by two servers that both believe to have the port.
    "grpc.so_reuseport": 0,
  });
  allowResets(server);
  const draining = new AbortController();
  const running = new Set<() => void>();
  const hooks: Hooks = { errorDomain, draining: draining.signal, onCallEnd: onCallEnd ?? (() => {}), running };
  for (const implementation of all) register(server, implementation, policyOf, hooks);

  return {
    listen: async (host, port) => {
      if (port !== 0) await requireFree(host, port);
      const address = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
      const bound = await new Promise<number>((resolve, reject) => {
        server.bindAsync(address, ServerCredentials.createInsecure(), (error, boundPort) => {
          if (error === null) resolve(boundPort);
          else reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error }));
        });
      });
      health.set(true);
      return bound;
    },
    drain: async (graceMs) => {
      health.set(false);
      draining.abort();
      const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      const forced = !(await within(graceMs, ended));
      if (forced) {
        // grpc-js's own forceShutdown ends no session while channelz is off, so the calls are ended here.
        for (const end of running) end();
        await within(forceMs, ended);
      }
      server.forceShutdown();
      return { forced };
    },
  };
}

/** There is no identity yet to check scopes against; a method that asks for some must not be served to everybody. */
function requireOpen(policies: ReadonlyMap<string, MethodPolicy>): void {
  for (const [path, { scopes }] of policies)
    if (scopes !== undefined)
      throw new Error(`the policy of ${path} asks for authorization, which this server cannot check yet`);
}

/**
 * Callers that give up together, as they do when something behind this server is slow, reset many streams at once. By
 * Node's default (1,000 at once, 33 a second) that ends their connection and every other call on it. These bounds still
 * end a flood that is meant as one.
 */
const streamResets = { streamResetBurst: 20_000, streamResetRate: 2_000 };

/** grpc-js has no option for it; what it hands to Node's HTTP/2 server is this field. A test sees that it still is. */
function allowResets(server: Server): void {
  const { commonServerOptions } = server as unknown as { commonServerOptions: object };
  Object.assign(commonServerOptions, streamResets);
}

/** How long connections may take to close once their calls have been ended, in milliseconds. */
const forceMs = 1_000;

/** Whether `done` resolved within `ms` milliseconds. */
async function within(ms: number, done: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const inTime = await Promise.race([done.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}

interface Hooks {
  readonly errorDomain: string;
  readonly draining: AbortSignal;
  readonly onCallEnd: (end: CallEnd) => void;
  /** For each call at work, what ends it at once. */
  readonly running: Set<() => void>;
}

function register(
  server: Server,
  { service, handlers }: ServiceImplementation,
  policies: ReadonlyMap<string, MethodPolicy>,
  hooks: Hooks,
): void {
  const definition: Record<string, ReturnType<typeof methodDefinition>> = {};
  const serving: Record<string, UntypedHandleCall> = {};
  for (const method of service.methods) {
    const handler = handlers[method.localName];
    if (handler === undefined) throw new TypeError(`${service.typeName}: no handler for ${method.name}`);
    definition[method.localName] = methodDefinition(method);
    serving[method.localName] = adapt(method, handler, policies.get(pathOf(method)) ?? defaultMethodPolicy, hooks);
  }
  server.addService(definition as ServiceDefinition, serving);
}

type Reply = sendUnaryData<Buffer>;

/** One handler as grpc-js calls it. The four kinds differ only in how requests come in and responses go out. */
function adapt(method: DescMethod, handler: AnyHandler, policy: MethodPolicy, hooks: Hooks): UntypedHandleCall {
  const decode = (bytes: Buffer): Message => {
    const request = decodeRequest(method.input, bytes, policy.maxRequestBytes);
    requireValid(method.input, request, hooks.errorDomain);
    return request;
  };
  type Responses = AsyncIterable<Init>;
  type Reading = ServerReadableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;
  type Writing = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;
  const requestsOf = (call: Reading, { signal }: HandlerContext) => readRequests(call, decode, signal);
  const unary = (call: ServerCall, reply: Reply, answer: (context: HandlerContext) => Promise<Init>) =>
    serve(method, call, policy, hooks, {
      work: async (context) => encode(method.output, await answer(context)),
      succeed: (response) => reply(null, response),
      fail: (error) => reply(toGrpcStatus(error)),
    });
  const stream = (call: Writing, responses: (context: HandlerContext) => Responses) =>
    serve(method, call, policy, hooks, {
      work: (context) => writeAll(responses(context), (init) => encode(method.output, init), call, context.signal),
      succeed: () => call.end(),
      // grpc-js takes an error event for the status to end with, after all that has been written.
      fail: (error) => call.emit("error", toGrpcStatus(error)),
    });
  switch (method.methodKind) {
    case "unary":
      return (call: ServerUnaryCall<Buffer, Buffer>, reply: Reply) =>
        unary(call, reply, (context) => handler(decode(call.request), context) as Promise<Init>);
    case "client_streaming":
      return (call: ServerReadableStream<Buffer, Buffer>, reply: Reply) =>
        unary(call, reply, (context) => handler(requestsOf(call, context), context) as Promise<Init>);
    case "server_streaming":
      return (call: ServerWritableStream<Buffer, Buffer>) =>
        stream(call, (context) => handler(decode(call.request), context) as Responses);
    case "bidi_streaming":
      return (call: ServerDuplexStream<Buffer, Buffer>) =>
        stream(call, (context) => handler(requestsOf(call, context), context) as Responses);
  }
}

interface Course<T> {
  readonly work: (context: HandlerContext) => Promise<T>;
  readonly succeed: (result: T) => void;
  readonly fail: (error: unknown) => void;
}

/** Runs one call in its context, answers it, and tells how it ended. */
function serve<T>(method: DescMethod, call: ServerCall, policy: MethodPolicy, hooks: Hooks, course: Course<T>): void {
  const startedAt = performance.now();
  const { context, abort } = createServedCall(method, call, hooks.draining, policy.priority);
  const end = (code: status, error?: unknown) => {
    hooks.running.delete(cut);
    hooks.onCallEnd({
      path: pathOf(method),
      code: status[code],
      durationMs: performance.now() - startedAt,
      context,
      ...(error !== undefined && { error }),
    });
  };
  const fail = (cause: unknown) => {
    if (!hooks.running.has(cut)) return;
    // Once the call has ended, whatever its work failed with is a consequence of that.
    const error = context.signal.aborted ? context.signal.reason : cause;
    course.fail(error);
    end(codeOf(error), error);
  };
  const cut = () => {
    abort(serverDraining());
    fail(context.signal.reason);
  };
  hooks.running.add(cut);
  void runWithContext(context, async () => {
    try {
      context.signal.throwIfAborted();
      const result = await course.work(context);
      if (context.signal.aborted) return fail(context.signal.reason);
      course.succeed(result);
      end(status.OK);
    } catch (error) {
      fail(error);
    }
  });
}

/** grpc-js wraps the system's error into a text and prints it; Node's own server tells it as it is. */
async function requireFree(host: string, port: number): Promise<void> {
  const probe = createTcpServer().listen(port, host);
  await once(probe, "listening");
  probe.close();
  await once(probe, "close");
}
