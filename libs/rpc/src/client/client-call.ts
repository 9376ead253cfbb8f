import type { DescMethod, Message } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import { AppError, type CallContext, currentContext } from "@shoal/kernel";
import type { Release } from "@shoal/resilience";
import { decodeResponse, encodeRequest, type Init } from "../codec.ts";
import { markFinal } from "../final-errors.ts";
import type { LivePolicy } from "../live-policies.ts";
import { requireSendable } from "../metadata.ts";
import type { ContextKey, ContextValues } from "../middleware.ts";
import type { MethodPolicy } from "../policy.ts";
import { tell } from "../tell.ts";
import { writeContext } from "../wire-context.ts";
import type { MethodBreakers } from "./breakers.ts";
import { CallRun, type ClientCore } from "./call-run.ts";
import type { ClientStream } from "./client-stream.ts";

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

/** What a call is being sent by. */
interface Running {
  readonly ended: boolean;
  cancel(why: string): void;
}

/** What a call sends. */
type Input = { readonly request: Init } | { readonly requests: AsyncIterable<Init> };

/** What all calls of a method have in common. */
export interface ClientMethod {
  readonly method: DescMethod;
  /** `/package.Service/Method`. */
  readonly path: string;
  /** What its contract and its deployment say of it now. */
  readonly policy: LivePolicy;
  /** Whether the method gives one answer. */
  readonly single: boolean;
  readonly breakers: MethodBreakers;
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
  readonly breakers: MethodBreakers;
  /** What decides where calls go that go by a key. */
  hashKey: string | undefined = undefined;
  #requestLooks: readonly Look[] = none;
  #responseLooks: readonly Look[] = none;
  responseHeaders: Metadata | undefined;
  responseTrailers: Metadata | undefined;
  /** The one answer, where there is one. */
  received: Message | undefined;
  /** What the call has failed with, where a fallback's answer stands in. */
  degradedBy: AppError | undefined;
  /** What failed on the caller's own side, the source of its requests or a callback: that is what it should see. */
  failure: Error | undefined;
  /** Whether it has been sent. */
  attempted = false;
  #run: Running | undefined;
  #stream: ClientStream | undefined;
  #onStream: (() => void) | undefined;
  #left = false;
  #values: Map<ContextKey<unknown>, unknown> | undefined;

  constructor({ method, path, policy, single, breakers }: ClientMethod, input: Input, options: CallOptions) {
    this.method = method;
    this.path = path;
    this.policy = policy.current;
    this.single = single;
    this.breakers = breakers;
    this.input = input;
    this.options = options;
    this.deadline = Date.now() + (options.timeoutMs ?? this.policy.timeoutMs);
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

  /** What sends the call now. */
  running(run: Running): void {
    this.#run = run;
    this.#stream = undefined;
  }

  /** Hands the stream of the attempt that counts to whoever reads it, or writes. */
  open(stream: ClientStream): void {
    this.#stream = stream;
    this.#onStream?.();
    if (this.#left) this.leave();
  }

  /** The stream of the attempt that counts, once that is settled. */
  get stream(): ClientStream | undefined {
    return this.#stream;
  }

  /** The answers of the attempt that counts, until the call ends. `running` is how its layers do. */
  async *responses(running: Promise<void>): AsyncGenerator<Message, void, undefined> {
    if (this.#stream === undefined) {
      const opened = new Promise<void>((resolve) => {
        this.#onStream = resolve;
      });
      await Promise.race([opened, running]);
    }
    const stream = this.#stream;
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

  /** Cancels the call for a failure of the caller's own. Once the call has ended, its end is what counts, unless `late`. */
  fail(error: unknown, late = false): void {
    if (!late && (this.#run?.ended || this.#stream?.ended)) return;
    this.failure ??= error instanceof Error ? error : new Error(String(error));
    this.#run?.cancel("the caller failed");
  }

  /** Whether nobody waits for the call any more. */
  get left(): boolean {
    return this.#left;
  }

  /** Whoever waits for the call has gone: it is of no use any more. */
  leave(): void {
    this.#left = true;
    this.#run?.cancel("the caller waits no longer");
  }
}

/**
 * Sends a call and waits for its end, with all its attempts; what is innermost of a client's layers. Rejects with an
 * {@link AppError}, or with the caller's own failure.
 */
export function runCall(core: ClientCore, call: ClientCall): Promise<void> {
  return new Promise((resolve, reject) => {
    const { options, input, single, policy } = call;
    if (call.attempted && (!single || "requests" in input))
      throw new TypeError(
        "a layer may call next again only for a method of one request and one answer: streams are gone",
      );
    const context = currentContext();
    requireLive(options.signal);
    requireLive(context?.signal);
    const deadline = deadlineOf(call.deadline, context, core.marginMs);
    const request = "request" in input ? call.encode(input.request) : undefined;
    requireSendable(call.requestMetadata);
    if (context !== undefined) writeContext(call.requestMetadata, context, policy.priority);
    call.attempted = true;
    call.failure = undefined;
    const guard = call.breakers.guardOf(policy.breaker, context?.priority ?? policy.priority);
    const run = new CallRun({ core, call, context, deadline, request, guard, resolve, reject });
    const leave = core.bulkhead.tryEnter();
    if (leave !== undefined) begin(call, run, leave);
    else
      enterLater(core, call, deadline, context)
        .then((place) => begin(call, run, place))
        .catch(reject);
  });
}

function begin(call: ClientCall, run: CallRun, leave: Release): void {
  call.running(run);
  run.start(leave);
  if ("requests" in call.input) void send(call, call.input.requests);
}

/** A place in the bulkhead after a wait, where it lets calls wait. */
async function enterLater(
  { bulkhead, onEvent }: ClientCore,
  call: ClientCall,
  deadline: number,
  context: CallContext | undefined,
): Promise<Release> {
  const { options, path } = call;
  const signals = [options.signal, context?.signal].filter((signal) => signal !== undefined);
  const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
  let leave: Release;
  try {
    leave = await bulkhead.enter({ signal, timeoutMs: deadline - Date.now() });
  } catch (error) {
    if (signal?.aborted === true) throw cancelled(signal);
    tell(onEvent, { type: "refused", path, by: "bulkhead" });
    if (error instanceof Error) markFinal(error);
    throw error;
  }
  // A layer may have given it up meanwhile.
  if (Date.now() < deadline && !call.left) return leave;
  leave();
  throw tooLate();
}

/** Sends all of `requests`. A source that fails cancels the call; a call that ends closes the source at its next item. */
async function send(call: ClientCall, requests: AsyncIterable<Init>): Promise<void> {
  const { stream } = call;
  // The call has ended before it began.
  if (stream === undefined) return;
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
  throw tooLate();
}

function tooLate(): AppError {
  return new AppError({
    kind: "timeout",
    reason: "DEADLINE_EXCEEDED",
    domain: "shoal.rpc",
    message: "too little time is left for the call",
  });
}
