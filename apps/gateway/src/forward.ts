import type { DescService } from "@bufbuild/protobuf";
import {
  type CallOptions,
  type Client,
  type HandlerContext,
  implement,
  type Metadata,
  sendableMetadata,
} from "@shoal/rpc";

/** A function of a client, of any of the four kinds. */
type AnyCall = (request: unknown, options: CallOptions) => never;

/**
 * A service whose every call is made again with `client`, and answered with what that answers: messages, metadata in both
 * directions, errors with their details. Deadline, cancellation and the rest of the call's context go with it. The client
 * stays the caller's.
 */
export function forward<S extends DescService>(service: S, client: Client<S>): ReturnType<typeof implement> {
  const calls = client as unknown as Readonly<Record<string, AnyCall>>;
  const handlers = service.methods.map(({ localName }) => [
    localName,
    (request: unknown, context: HandlerContext) => calls[localName]?.(request, optionsFor(context)),
  ]);
  return implement(service, Object.fromEntries(handlers));
}

function optionsFor({ requestMetadata, responseHeaders, responseTrailers }: HandlerContext): CallOptions {
  return {
    metadata: sendableMetadata(requestMetadata),
    onHeaders: (headers: Metadata) => responseHeaders.merge(sendableMetadata(headers)),
    onTrailers: (trailers: Metadata) => responseTrailers.merge(sendableMetadata(trailers)),
  };
}
