import type {
  DescMessage,
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
import type { Metadata } from "@grpc/grpc-js";
import type { CallContext } from "@shoal/kernel";
import type { ContextValues } from "../middleware.ts";
import type { MethodPolicy } from "../policy.ts";

/** Where a call comes from. */
export interface Peer {
  /** `HOST:PORT`, or `unknown` for a Unix socket. */
  readonly address: string;
  /** The certificate that the caller has shown, if the server asks for one and trusts it. */
  readonly certificate: PeerCertificate | undefined;
}

/** What identifies the owner of a certificate. */
export interface PeerCertificate {
  /** The subject's common name, or `""`. */
  readonly commonName: string;
  /** The subject's other names as Node writes them: `DNS:user.shoal, URI:spiffe://…`. */
  readonly alternativeNames: string;
  /** SHA-256 of the certificate, in hexadecimal with colons. */
  readonly fingerprint: string;
}

/** What a handler, and each layer around it, knows of the call besides its messages. */
export interface HandlerContext extends CallContext, ContextValues {
  /** Which method was called. */
  readonly method: DescMethod;
  /** `/package.Service/Method`. */
  readonly path: string;
  /** What its contract says of it. */
  readonly policy: MethodPolicy;
  readonly peer: Peer;
  /** What the caller sent beside the request. Names that end in `-bin` hold Buffers. */
  readonly requestMetadata: Metadata;
  /** Goes out before the first answer, or with {@link sendHeaders}. */
  readonly responseHeaders: Metadata;
  /** Goes out with the status, whatever it is. */
  readonly responseTrailers: Metadata;
  /** Sends {@link responseHeaders} now, and not only with the first answer. What is set in them later is lost. */
  sendHeaders(): void;
  /** Aborts when the server begins to drain. A stream without an end of its own ends then. */
  readonly draining: AbortSignal;
  /** Calls `look` with each request once it is decoded and valid, before the handler gets it; what it throws ends the call. */
  onRequest(look: (request: Message) => void): void;
  /** Calls `look` with each answer before it is sent; what it throws ends the call. */
  onResponse(look: (response: Message) => void): void;
}

type Handler<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: HandlerContext) => Promise<MessageInitShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: HandlerContext) => AsyncIterable<MessageInitShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageShape<I>>, context: HandlerContext) => Promise<MessageInitShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: AsyncIterable<MessageShape<I>>, context: HandlerContext) => AsyncIterable<MessageInitShape<O>>
          : never;

/** One plain async function or generator for each method of a service. */
export type ServiceHandlers<S extends DescService> = { readonly [K in keyof S["method"]]: Handler<S["method"][K]> };

/** A handler as the server calls it, its types checked by {@link implement} and forgotten. */
export type AnyHandler = (
  request: unknown,
  context: HandlerContext,
) => Promise<MessageInitShape<DescMessage>> | AsyncIterable<MessageInitShape<DescMessage>>;

/** A service and what its methods do. */
export interface ServiceImplementation {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, AnyHandler>>;
}

/** Binds a service of the contracts to its handlers; a missing or ill-typed one does not compile. */
export function implement<S extends DescService>(service: S, handlers: ServiceHandlers<S>): ServiceImplementation {
  return { service, handlers: handlers as unknown as Record<string, AnyHandler> };
}
