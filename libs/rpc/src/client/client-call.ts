import type { DescMethod, Message } from "@bufbuild/protobuf";
import { type Channel, Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { AppError, type CallContext, currentContext } from "@shoal/kernel";
import { decodeResponse, encodeRequest, type Init } from "../codec.ts";
import { fromStatus } from "../errors.ts";
import { requireSendable } from "../metadata.ts";
import type { ContextKey, ContextValues } from "../middleware.ts";
import type { MethodPolicy } from "../policy.ts";
import { writeContext } from "../wire-context.ts";
import { cancelOn, release } from "./cancel-on-abort.ts";
import { ClientStream } from "./client-stream.ts";

/** What one call may be given. */
export interface CallOptions {
  /** Cancels the call when it aborts. */
  readonly signal?: AbortSignal;
  /** How long to wait for the whole call, in milliseconds, instead of what the contract says. */
  readonly timeoutMs?: number;
  /** Sent beside the request. Names that end in `-bin` hold Buffers. It is copied. */
  readonly metadata?: Metadata;
  /** Whether this call's requests are compressed, on a client with the option `compression`. */
  readonly compress?: boolean;
  /** Called with the server's headers, before the first answer. */
  readonly onHeaders?: (headers: Metadata) => void;
  /** Called with the server's trailers, when the call has ended, well or badly. */
  readonly onTrailers?: (trailers: Metadata) => void;
}

/** What a client's layers know of a call besides its messages. */
export interface ClientContext extends ContextValues {
  readonly method: DescMethod;
  /** `/package.Service/Method`. */
  readonly path: string;
  /** What its contract says of it. */
  readonly policy: MethodPolicy;
  /** When the call is given up: milliseconds since the epoch, `Infinity` for never. */
  readonly deadline: number;
  /** Sent beside the request, with the context of the call that is being served. A layer may add to it. */
  readonly requestMetadata: Metadata;
  /** What the server sent before its first answer, once it is there. */
  readonly responseHeaders: Metadata | undefined;
  /** What the server sent with the status, once it is there. */
  readonly responseTrailers: Metadata | undefined;
  /** Calls `look` with each request before it is sent; what it throws ends the call. */
  onRequest(look: (request: Message) => void): void;
  /** Calls `look` with each answer once it is decoded, before the caller gets it; what it throws ends the call. */
  onResponse(look: (response: Message) => void): void;
}

type Look = (message: Message) => void;

const none: readonly Look[] = [];

/** What a call sends. */
type Input = { readonly request: Init } | { readonly requests: AsyncIterable<Init> };

/** What all calls of a method have in common. */
export interface ClientMethod {
  readonly method: DescMethod;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly policy: MethodPolicy;
  /** Whether the method gives one answer. */
  readonly single: boolean;
}

/** One call of a client, through all its attempts. States: begun → attempted (once or more) → ended. */
export class ClientCall implements ClientContext {
  readonly method: DescMethod;
  readonly path: string;
  readonly policy: MethodPolicy;
  /** Whether the method gives one answer. */
  readonly single: boolean;
  readonly deadline: number;
  readonly requestMetadata: Metadata;
  readonly input: Input;
  readonly options: CallOptions;
  #requestLooks: readonly Look[] = none;
  #responseLooks: readonly Look[] = none;
  responseHeaders: Metadata | undefined;
  responseTrailers: Metadata | undefined;
  /** The one answer, where there is one. */
  received: Message | undefined;
  /** What failed on the caller's own side, the source of its requests or a callback: that is what it should see. */
  failure: Error | undefined;
  /** Whether it has been sent. */
  attempted = false;
  #stream: ClientStream | undefined;
  #onStream: ((stream: ClientStream) => void) | undefined;
  #left = false;
  #values: Map<ContextKey<unknown>, unknown> | undefined;

  constructor({ method, path, policy, single }: ClientMethod, input: Input, options: CallOptions) {
    this.method = method;
    this.path = path;
    this.policy = policy;
    this.single = single;
    this.input = input;
    this.options = options;
    this.deadline = Date.now() + (options.timeoutMs ?? policy.timeoutMs);
    this.requestMetadata = options.metadata?.clone() ?? new Metadata();
  }

  get<T>(key: ContextKey<T>): T | undefined {
    return this.#values?.get(key) as T | undefined;
  }

  set<T>(key: ContextKey<T>, value: T): void {
    this.#values ??= new Map();
    this.#values.set(key, value);
  }

  onRequest(look: Look): void {
    this.#requestLooks = [...this.#requestLooks, look];
  }

  onResponse(look: Look): void {
    this.#responseLooks = [...this.#responseLooks, look];
  }

  /** The one answer of a call whose layers have all succeeded. */
  answer(): Message {
    if (this.received === undefined)
      throw new TypeError("a layer of the client has answered nothing: it must call next");
    return this.received;
  }

  encode(request: Init): Buffer {
    return encodeRequest(this.method.input, request, this.policy.maxRequestBytes, this.#requestLooks);
  }

  decode(bytes: Buffer): Message {
    const response = decodeResponse(this.method.output, bytes, this.policy.maxResponseBytes);
    for (const look of this.#responseLooks) look(response);
    return response;
  }

  /** Hands the stream of an attempt to whoever reads it. */
  open(stream: ClientStream): void {
    this.#stream = stream;
    this.#onStream?.(stream);
    if (this.#left) this.leave();
  }

  /** The answers of the attempt that is made, until the call ends. `running` is how its layers do. */
  async *responses(running: Promise<void>): AsyncGenerator<Message, void, undefined> {
    const opened = new Promise<ClientStream>((resolve) => {
      this.#onStream = resolve;
    });
    const stream = this.#stream ?? (await Promise.race([opened, running.then(() => undefined)]));
    if (stream === undefined) return;
    for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
      let response: Message;
      try {
        response = this.decode(bytes);
      } catch (error) {
        // The layers are told of it too, and then its reader is.
        this.fail(error);
        throw error;
      }
      yield response;
    }
  }

  /** Cancels the call for a failure of the caller's own. Once the call has ended, its end is what counts. */
  fail(error: unknown): void {
    if (this.#stream?.ended) return;
    this.failure ??= error instanceof Error ? error : new Error(String(error));
    this.#stream?.cancel("the caller failed");
  }

  /** Whoever waits for the call has gone: it is of no use any more. */
  leave(): void {
    this.#left = true;
    this.#stream?.cancel("the caller waits no longer");
  }
}

/**
 * Sends a call and waits for its end; what is innermost of a client's layers. Rejects with an {@link AppError}, or with
 * the caller's own failure.
 */
export function attempt(channel: Channel, call: ClientCall, marginMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const { options, input, single } = call;
    if (call.attempted && (!single || "requests" in input))
      throw new TypeError(
        "a layer may call next again only for a method of one request and one answer: streams are gone",
      );
    const context = currentContext();
    requireLive(options.signal);
    requireLive(context?.signal);
    const deadline = deadlineOf(call.deadline, context, marginMs);
    const request = "request" in input ? call.encode(input.request) : undefined;
    requireSendable(call.requestMetadata);
    if (context !== undefined) writeContext(call.requestMetadata, context, call.policy.priority);
    call.attempted = true;
    call.failure = undefined;
    const stream = new ClientStream(channel, {
      path: call.path,
      deadline,
      metadata: call.requestMetadata,
      requestStream: request === undefined,
      compress: options.compress ?? true,
      single,
      onHeaders: (headers) => {
        call.responseHeaders = headers;
        if (options.onHeaders === undefined) return;
        try {
          options.onHeaders(headers);
        } catch (error) {
          call.fail(error);
        }
      },
      onEnd: (end, answer) => {
        release(options.signal, stream);
        release(context?.signal, stream);
        try {
          finish(call, stream, end, answer);
          resolve();
        } catch (error) {
          reject(error);
        }
      },
    });
    cancelOn(options.signal, stream);
    cancelOn(context?.signal, stream);
    call.open(stream);
    if (request !== undefined) stream.writeLast(request);
    else if ("requests" in input) void send(call, input.requests, stream);
  });
}

/** Makes of a call's end what its caller gets; throws what it fails with. */
function finish(call: ClientCall, stream: ClientStream, end: StatusObject, answer: Buffer | undefined): void {
  call.responseTrailers = end.metadata;
  call.options.onTrailers?.(end.metadata);
  if (call.failure !== undefined) throw call.failure;
  if (end.code === status.RESOURCE_EXHAUSTED) throw exhausted(end, call);
  if (end.code !== status.OK) throw fromStatus(end);
  if (stream.truncated) throw responseTruncated();
  if (!call.single) return;
  if (answer === undefined) throw fromStatus(noAnswer(end));
  call.received = call.decode(answer);
}

/** Sends all of `requests`. A source that fails cancels the call; a call that ends closes the source at its next item. */
async function send(call: ClientCall, requests: AsyncIterable<Init>, stream: ClientStream): Promise<void> {
  try {
    for await (const request of requests) {
      if (stream.ended) return;
      await stream.write(call.encode(request));
      if (stream.ended) return;
    }
    stream.end();
  } catch (error) {
    call.fail(error);
  }
}

function requireLive(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(signal);
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
 * The lesser of the call's own deadline and that of the call that is being served, less a margin to answer in. Throws when
 * nothing is left: what would come too late is not begun.
 */
function deadlineOf(own: number, context: CallContext | undefined, marginMs: number): number {
  const deadline = context === undefined ? own : Math.min(own, context.deadline - marginMs);
  if (deadline > Date.now()) return deadline;
  throw new AppError({
    kind: "timeout",
    reason: "DEADLINE_EXCEEDED",
    domain: "shoal.rpc",
    message: "too little time is left for the call",
  });
}

/**
 * What grpc-js itself finds too large has a reason of ours. A page of text, read as messages, seems to be a large one; but
 * what a proxy or a web server says is no gRPC.
 */
function exhausted(end: StatusObject, { responseHeaders }: ClientCall): AppError {
  const [type = "application/grpc"] = responseHeaders?.get("content-type") ?? [];
  if (!String(type).startsWith("application/grpc"))
    return fromStatus({
      ...end,
      code: status.UNKNOWN,
      details: `what answers there is no gRPC server; it sends ${type}`,
    });
  if (!/^Received message (larger than max|that decompresses)/.test(end.details)) return fromStatus(end);
  const reason = "RESPONSE_TOO_LARGE";
  return new AppError({ kind: "exhausted", reason, domain: "shoal.rpc", message: end.details, cause: end });
}

function responseTruncated(): AppError {
  return new AppError({
    kind: "internal",
    reason: "RESPONSE_TRUNCATED",
    domain: "shoal.rpc",
    message: "the responses end in the midst of one of them; its length prefix promises more bytes than came",
  });
}

function noAnswer(end: StatusObject): StatusObject {
  return { ...end, code: status.INTERNAL, details: "the server ended the call well, but without the answer" };
}
