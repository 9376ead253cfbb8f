import type { Metadata } from "@grpc/grpc-js";

/** What speaks of a connection or of a message's form, and gRPC's own: HTTP/2 or gRPC sets it, or has no place for it. */
const notMetadata: ReadonlySet<string> = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "grpc-accept-encoding",
  "grpc-encoding",
  "grpc-message",
  "grpc-status",
  "grpc-timeout",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/** Headers of HTTP that may have one value only, as far as a service may want to send them. */
const singleValued: ReadonlySet<string> = new Set([
  "age",
  "authorization",
  "content-language",
  "content-location",
  "content-md5",
  "content-range",
  "date",
  "dnt",
  "etag",
  "expires",
  "from",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "location",
  "max-forwards",
  "proxy-authorization",
  "range",
  "referer",
  "retry-after",
  "tk",
  "upgrade-insecure-requests",
  "user-agent",
  "x-content-type-options",
]);

/**
 * Throws a `TypeError` that names the first key which cannot be sent. Node would throw at some of them in the midst of
 * grpc-js, which then tries the call again and again, or leaves it unanswered.
 */
export function requireSendable(metadata: Metadata): void {
  for (const key of Object.keys(metadata.getMap())) {
    if (notMetadata.has(key) || key.startsWith(":"))
      throw new TypeError(`metadata: ${key} belongs to HTTP/2 and gRPC and cannot be sent; use another name`);
    if (singleValued.has(key) && metadata.get(key).length > 1)
      throw new TypeError(`metadata: ${key} can have one value only; set it instead of adding to it`);
  }
}

/** Set by HTTP/2 or gRPC of whoever sends, beside what {@link requireSendable} refuses. */
const ofTheSender: ReadonlySet<string> = new Set(["accept", "accept-encoding", "date", "server", "user-agent"]);

/** A copy of what was received that can be sent on: without what speaks of the connection, of the sender, and gRPC's own. */
export function sendableMetadata(received: Metadata): Metadata {
  const copy = received.clone();
  for (const key of Object.keys(received.getMap()))
    if (notMetadata.has(key) || ofTheSender.has(key) || key.startsWith("grpc-") || key.startsWith(":"))
      copy.remove(key);
  return copy;
}
