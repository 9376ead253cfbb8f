import type { IncomingHttpHeaders } from "node:http2";
import type { Metadata } from "@grpc/grpc-js";
import { type CallContext, newId, type Priority } from "@shoal/kernel";

/** The metadata keys that carry a call's context from service to service. Deadlines travel as gRPC's own timeout. */
const keys = {
  requestId: "x-request-id",
  priority: "x-shoal-priority",
  baggage: "baggage",
  traceparent: "traceparent",
  idempotencyKey: "idempotency-key",
} as const;

/** As W3C Baggage asks for at least: 64 members and 8,192 bytes. More is not taken. */
const maxBaggageMembers = 64;
const maxBaggageBytes = 8_192;

/**
 * What a caller has sent of its context, read when it is asked for. Whatever is not well formed counts as not sent: a
 * request without an id has its trace's, or else a new one, and one without a priority has `fallback`.
 */
export class ReceivedContext implements Omit<CallContext, "deadline" | "signal" | "identity"> {
  readonly #metadata: Metadata;
  readonly #fallback: Priority;
  #requestId: string | undefined;
  #baggage: ReadonlyMap<string, string> | undefined;

  constructor(metadata: Metadata, fallback: Priority) {
    this.#metadata = metadata;
    this.#fallback = fallback;
  }

  get requestId(): string {
    // Ids and keys stand in log lines, so only what is fit for that is taken.
    this.#requestId ??= this.#read(keys.requestId, /^[\w.:-]{1,128}$/) ?? traceIdOf(this.traceparent) ?? newId();
    return this.#requestId;
  }

  get priority(): Priority {
    return (this.#read(keys.priority, priorities) as Priority | undefined) ?? this.#fallback;
  }

  get baggage(): ReadonlyMap<string, string> {
    this.#baggage ??= readBaggage(this.#metadata);
    return this.#baggage;
  }

  get traceparent(): string | undefined {
    return this.#read(keys.traceparent, /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/);
  }

  get idempotencyKey(): string | undefined {
    return this.#read(keys.idempotencyKey, /^[!-~]{1,128}$/);
  }

  #read(key: string, pattern: RegExp): string | undefined {
    const [value] = this.#metadata.get(key);
    return typeof value === "string" && pattern.test(value) ? value : undefined;
  }
}

const priorities = /^(critical|default|sheddable)$/;

/** The priority that a caller has sent, or `undefined`. */
export function priorityIn(headers: IncomingHttpHeaders): Priority | undefined {
  const value = headers[keys.priority];
  return typeof value === "string" && priorities.test(value) ? (value as Priority) : undefined;
}

/** The id of the trace that a W3C `traceparent` stands in. */
function traceIdOf(traceparent: string | undefined): string | undefined {
  return traceparent?.slice(3, 35);
}

/** Puts the place in a trace at which a call stands into what is sent with it. */
export function writeTraceparent(metadata: Metadata, traceparent: string): void {
  metadata.set(keys.traceparent, traceparent);
}

/**
 * Adds a context to what is sent with a call of a method that has the priority `fallback`; not its place in a trace where the
 * call has one of its own ({@link writeTraceparent}).
 */
export function writeContext(metadata: Metadata, context: CallContext, fallback: Priority): void {
  const [own] = metadata.get(keys.traceparent);
  const traceparent = typeof own === "string" ? own : context.traceparent;
  if (context.requestId !== traceIdOf(traceparent)) metadata.set(keys.requestId, context.requestId);
  if (context.priority !== fallback) metadata.set(keys.priority, context.priority);
  if (own === undefined && traceparent !== undefined) metadata.set(keys.traceparent, traceparent);
  if (context.idempotencyKey !== undefined) metadata.set(keys.idempotencyKey, context.idempotencyKey);
  if (context.baggage.size > 0) {
    const members = [...context.baggage].map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
    metadata.set(keys.baggage, members.join(","));
  }
}

/** W3C Baggage: `key=value` members with percent-encoded values; properties after a semicolon are dropped. */
function readBaggage(metadata: Metadata): ReadonlyMap<string, string> {
  const text = metadata.get(keys.baggage).join(",");
  if (text === "" || text.length > maxBaggageBytes) return empty;
  const baggage = new Map<string, string>();
  for (const member of text.split(",")) {
    const [, key, value] = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*([^\s;]*)/.exec(member) ?? [];
    if (key === undefined || value === undefined || baggage.size >= maxBaggageMembers) continue;
    try {
      baggage.set(key, decodeURIComponent(value));
    } catch {
      // A value that is not percent-encoded as it must be is dropped; the others stand.
    }
  }
  return baggage;
}

const empty: ReadonlyMap<string, string> = new Map();
