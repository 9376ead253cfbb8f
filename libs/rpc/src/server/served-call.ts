import type { DescMethod, Message } from "@bufbuild/protobuf";
import { Metadata, type status } from "@grpc/grpc-js";
import { AppError, crashPoint, type Identity } from "@shoal/kernel";
import type { LivePolicy } from "../live-policies.ts";
import { requireSendable } from "../metadata.ts";
import type { ContextKey } from "../middleware.ts";
import type { MethodPolicy } from "../policy.ts";
import { ReceivedContext } from "../wire-context.ts";
import type { HandlerContext, Peer, PeerCertificate } from "./handlers.ts";
import type { ServerStream } from "./server-stream.ts";

/** How a call ends; see grpc-js. */
interface PartialStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata;
}

type Look = (message: Message) => void;

const none: readonly Look[] = [];

/** What all calls of a method have in common. */
export interface ServedMethod {
  readonly method: DescMethod;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly policy: LivePolicy;
}

/**
 * The context of a call that is being served. What few handlers ask for is made when it is first asked for.
 * States: running → aborted, with the reason that its signal has.
 */
export class ServedCall extends ReceivedContext implements HandlerContext {
  readonly method: DescMethod;
  readonly path: string;
  readonly policy: MethodPolicy;
  readonly stream: ServerStream;
  readonly draining: AbortSignal;
  readonly deadline: number;
  readonly startedAt = performance.now();
  /** Set by the identity layer. */
  identity: Identity | undefined = undefined;
  /** Whether the handler has been called. */
  entered = false;
  /** Given back when the call's work is over; `done`: as it should, or for want of time. */
  permit: { release(done: boolean): void } | undefined;
  requestLooks: readonly Look[] = none;
  responseLooks: readonly Look[] = none;
  /** The one answer in bytes, until it is known that the call succeeds. */
  answer: Buffer | undefined;
  /** Why the call was aborted. */
  abortReason: AppError | undefined;
  #finished = false;
  #controller: AbortController | undefined;
  #responseHeaders: Metadata | undefined;
  #responseTrailers: Metadata | undefined;
  #peer: Peer | undefined;
  #values: Map<ContextKey<unknown>, unknown> | undefined;
  #traceparent: string | undefined;

  constructor({ method, path, policy }: ServedMethod, stream: ServerStream, draining: AbortSignal) {
    super(stream.metadata, policy.current.priority);
    this.method = method;
    this.path = path;
    this.policy = policy.current;
    this.stream = stream;
    this.draining = draining;
    this.deadline = stream.deadline;
    // Every call ends at last; what ended it is made up only for one that was still at work.
    stream.onEnded = (reason) => {
      if (this.#finished) crashPoint("after-reply");
      else this.abort(reason ?? callEnded(this));
    };
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.abortReason !== undefined) this.#controller.abort(this.abortReason);
    }
    return this.#controller.signal;
  }

  get requestMetadata(): Metadata {
    return this.stream.metadata;
  }

  override get traceparent(): string | undefined {
    return this.#traceparent ?? super.traceparent;
  }

  /** What is done for the call stands at this place in its trace from now on, in place of its caller's. */
  goOnAt(traceparent: string | undefined): void {
    this.#traceparent = traceparent;
  }

  get responseHeaders(): Metadata {
    this.#responseHeaders ??= new Metadata();
    return this.#responseHeaders;
  }

  get responseTrailers(): Metadata {
    this.#responseTrailers ??= new Metadata();
    return this.#responseTrailers;
  }

  get peer(): Peer {
    this.#peer ??= new StreamPeer(this.stream);
    return this.#peer;
  }

  get<T>(key: ContextKey<T>): T | undefined {
    return this.#values?.get(key) as T | undefined;
  }

  set<T>(key: ContextKey<T>, value: T): void {
    this.#values ??= new Map();
    this.#values.set(key, value);
  }

  onRequest(look: Look): void {
    this.requestLooks = [...this.requestLooks, look];
  }

  onResponse(look: Look): void {
    this.responseLooks = [...this.responseLooks, look];
  }

  sendHeaders(): void {
    const headers = this.responseHeaders;
    this.#responseHeaders = undefined;
    requireSendable(headers);
    this.stream.sendHeaders(headers);
  }

  /** Sends the headers that a layer or the handler has set, unless they have gone already. Throws as {@link end} does. */
  sendSetHeaders(): void {
    if (this.#responseHeaders !== undefined) this.sendHeaders();
  }

  /** Whether the call has been answered. */
  get finished(): boolean {
    return this.#finished;
  }

  /**
   * Answers the call with a status, after its headers, answer and trailers. Once only. Throws a `TypeError` for headers or
   * trailers that cannot be sent; they are given up then, and it may be called again.
   */
  end({ code, details, metadata }: PartialStatus): void {
    crashPoint("before-reply");
    this.sendSetHeaders();
    const trailers = this.#responseTrailers;
    this.#responseTrailers = undefined;
    if (trailers !== undefined) requireSendable(trailers);
    this.#finished = true;
    // The write need not be awaited: the status is sent after it.
    if (this.answer !== undefined) void this.stream.write(this.answer);
    if (trailers !== undefined && metadata !== undefined) trailers.merge(metadata);
    this.stream.end({ code, details, metadata: trailers ?? metadata ?? null });
  }

  /** Aborts the signal with `reason`, and whatever waits for requests. Once only. */
  abort(reason: AppError): void {
    if (this.abortReason !== undefined) return;
    this.abortReason = reason;
    this.#controller?.abort(reason);
    this.stream.abortRead(reason);
  }
}

/** Why a call whose stream has ended is over: its deadline has passed, or else its caller has gone. */
export function callEnded({ deadline }: { readonly deadline: number }): AppError {
  const deadlinePassed = Date.now() >= deadline;
  return new AppError({
    kind: deadlinePassed ? "timeout" : "cancelled",
    reason: deadlinePassed ? "DEADLINE_EXCEEDED" : "CANCELLED",
    domain: "shoal.rpc",
    message: deadlinePassed ? "the call's deadline passed" : "the caller cancelled the call",
  });
}

/** Reads what is asked for from the connection. */
class StreamPeer implements Peer {
  readonly #stream: ServerStream;

  constructor(stream: ServerStream) {
    this.#stream = stream;
  }

  get address(): string {
    return this.#stream.peerAddress;
  }

  get certificate(): PeerCertificate | undefined {
    return certificateOf(this.#stream);
  }
}

function certificateOf(stream: ServerStream): PeerCertificate | undefined {
  const certificate = stream.authContext.sslPeerCertificate;
  if (certificate === undefined) return undefined;
  return {
    commonName: String(certificate.subject?.CN ?? ""),
    alternativeNames: certificate.subjectaltname ?? "",
    fingerprint: certificate.fingerprint256,
  };
}
