import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyIs, anyPack, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { Metadata, type StatusObject, status } from "@grpc/grpc-js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "@shoal/contracts/google/rpc/error_details";
import { type Status, StatusSchema } from "@shoal/contracts/google/rpc/status";
import { AppError, currentContext, type ErrorKind } from "@shoal/kernel";
import { isFinal } from "./final-errors.ts";

/** The one table from what went wrong to gRPC's code for it. Exhaustive: a new kind does not compile without a row. */
const codeOfKind: Readonly<Record<ErrorKind, status>> = {
  invalid: status.INVALID_ARGUMENT,
  missing: status.NOT_FOUND,
  duplicate: status.ALREADY_EXISTS,
  precondition: status.FAILED_PRECONDITION,
  stale: status.ABORTED,
  exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  cancelled: status.CANCELLED,
  timeout: status.DEADLINE_EXCEEDED,
  unimplemented: status.UNIMPLEMENTED,
  internal: status.INTERNAL,
};

const kindOfCode = new Map<status, ErrorKind>([
  ...Object.entries(codeOfKind).map(([kind, code]) => [code, kind as ErrorKind] as const),
  [status.OUT_OF_RANGE, "invalid"],
]);

/**
 * How large an answer of failure may be. Trailers share a limit with all other headers of a call; a peer that gets more
 * ends the connection, and every other call on it. 8 KiB is what clients take at least.
 */
const maxMessageBytes = 1_000;
const maxDetailsBytes = 4_500;

/** Violations and preconditions that are listed; fewer where their texts are long. */
const maxListed = 20;

/** The trailer in which gRPC carries a `google.rpc.Status` with its details. */
const detailsKey = "grpc-status-details-bin";

/** The trailer by which a server says when a call may be repeated: after so many milliseconds, or not at all (proposal A6). */
const pushbackKey = "grpc-retry-pushback-ms";

/** The gRPC code of a failure: `INTERNAL` for anything but an {@link AppError}. */
export function codeOf(error: unknown): status {
  return error instanceof AppError ? codeOfKind[error.kind] : status.INTERNAL;
}

/**
 * A failure as a `google.rpc.Status`: exactly one `ErrorInfo`, and the detail of its kind. Anything but an
 * {@link AppError} becomes INTERNAL with a fixed message and the request id; what it says stays here. Long texts are cut
 * and long lists end with how many more there are, so that it always fits a call's trailers.
 */
export function statusOf(error: unknown): Status {
  const known = error instanceof AppError && error.kind !== "internal" ? error : unexpected();
  const code = codeOfKind[known.kind];
  const message = cut(known.message, maxMessageBytes);
  for (let listed = maxListed; ; listed = Math.floor(listed / 2)) {
    const rich = create(StatusSchema, { code, message, details: detailsOf(known, listed) });
    if (listed === 0 || toBinary(StatusSchema, rich).length <= maxDetailsBytes) return rich;
  }
}

/**
 * The failure as grpc-js sends it: code, message, and the details in their trailer. A trailer of its own tells every gRPC
 * client when to try again: never after a failure that is final ({@link markFinal}), and else when the failure says so.
 */
export function toGrpcStatus(error: unknown): StatusObject {
  const rich = statusOf(error);
  const metadata = new Metadata();
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, rich)));
  const pushback = isFinal(error) ? "-1" : waitAskedBy(error);
  if (pushback !== undefined) metadata.set(pushbackKey, pushback);
  return { code: rich.code, details: rich.message, metadata };
}

/**
 * What a client makes of a failed call: an {@link AppError} of the same kind, with the details that were sent. Its cause is
 * gRPC's own status, trailers included.
 */
export function fromStatus(end: StatusObject): AppError {
  const told = detailsTold(detailsIn(end.metadata));
  const lost = told.reason === undefined && isLostConnection(end);
  return new AppError({
    kind: lost ? "unavailable" : (kindOfCode.get(end.code) ?? "internal"),
    domain: "grpc",
    message: end.details || `the call ended with status ${status[end.code] ?? end.code}, and no message`,
    ...told,
    reason: told.reason ?? (lost ? "CONNECTION_LOST" : (status[end.code] ?? "UNKNOWN")),
    cause: end,
  });
}

/** The failure that a `google.rpc.Status` tells, such as one item of a batch has ended with: the inverse of {@link statusOf}. */
export function errorOf({ code, message, details }: Status): AppError {
  const told = detailsTold(details);
  const reason = told.reason ?? status[code] ?? "UNKNOWN";
  return new AppError({ kind: kindOfCode.get(code) ?? "internal", domain: "grpc", message, ...told, reason });
}

/** The name of the code that a call failed with; a lost connection is `UNAVAILABLE`, whatever grpc-js calls it. */
export function codeNameOf(end: StatusObject): string {
  const lost = isLostConnection(end) && find(detailsIn(end.metadata), ErrorInfoSchema) === undefined;
  return lost ? "UNAVAILABLE" : (status[end.code] ?? "UNKNOWN");
}

/**
 * When a server says that a call may be repeated: after so many milliseconds; `NaN`, or a number below 0, for not at all;
 * `undefined` when it says nothing.
 */
export function pushbackOf(trailers: Metadata): number | undefined {
  const [value] = trailers.get(pushbackKey);
  if (value === undefined) return undefined;
  // As long as fits gRPC's 32 bits; what is no such number forbids to repeat the call, as the proposal asks for.
  return typeof value === "string" && /^-?\d{1,10}$/.test(value) && Number(value) < 2 ** 31
    ? Number(value)
    : Number.NaN;
}

/** What a stream without an end of its own fails with when the server drains: the caller should begin anew elsewhere. */
export function serverDraining(): AppError {
  return new AppError({
    kind: "unavailable",
    reason: "SERVER_DRAINING",
    domain: "shoal.rpc",
    message: "the server is shutting down; begin the stream anew",
    retryAfterMs: 1_000,
  });
}

/**
 * grpc-js tells a connection that broke under a call as INTERNAL, with HTTP/2's INTERNAL_ERROR or NO_ERROR; to its caller
 * that is a service that is away. Its other codes tell of a peer that breaks HTTP/2's rules.
 */
function isLostConnection({ code, details }: StatusObject): boolean {
  return code === status.INTERNAL && /^(Received RST_STREAM with code [02]\b|Session closed)/.test(details);
}

function waitAskedBy(error: unknown): string | undefined {
  if (!(error instanceof AppError) || error.retryAfterMs === undefined) return undefined;
  return error.kind === "exhausted" || error.kind === "unavailable" ? String(sensible(error.retryAfterMs)) : undefined;
}

function unexpected(): AppError {
  const requestId = currentContext()?.requestId ?? "";
  return new AppError({
    kind: "internal",
    reason: "INTERNAL",
    domain: "shoal.rpc",
    message: `internal error; quote request id ${requestId} when you report it`,
  });
}

function detailsOf(error: AppError, listed: number): Any[] {
  const { reason, domain, violations, resource, preconditions, retryAfterMs } = error;
  const metadata = listed === 0 ? {} : mapValues(error.metadata, (value) => cut(value, 200));
  const details = [pack(ErrorInfoSchema, { reason, domain, metadata })];
  if (error.kind === "invalid" && listed > 0) {
    const fieldViolations = violations
      .slice(0, listed)
      .map(({ field, description }) => ({ field: cut(field, 200), description: cut(description, 300) }));
    const more = violations.length - fieldViolations.length;
    if (more > 0) fieldViolations.push({ field: "", description: `and ${more} more` });
    details.push(pack(BadRequestSchema, { fieldViolations }));
  }
  if (resource !== undefined)
    details.push(pack(ResourceInfoSchema, { resourceType: resource.type, resourceName: cut(resource.name, 300) }));
  if (preconditions.length > 0 && listed > 0) {
    const shown = preconditions.slice(0, listed).map(({ subject, description }) => ({
      type: reason,
      subject: cut(subject, 200),
      description: cut(description, 300),
    }));
    const more = preconditions.length - shown.length;
    if (more > 0) shown.push({ type: reason, subject: "", description: `and ${more} more` });
    details.push(pack(PreconditionFailureSchema, { violations: shown }));
  }
  if (error.kind === "exhausted")
    details.push(pack(QuotaFailureSchema, { violations: [{ subject: domain, description: cut(error.message, 300) }] }));
  if (retryAfterMs !== undefined)
    details.push(pack(RetryInfoSchema, { retryDelay: durationFromMs(sensible(retryAfterMs)) }));
  const requestId = currentContext()?.requestId;
  if (error.kind === "internal" && requestId !== undefined) details.push(pack(RequestInfoSchema, { requestId }));
  return details;
}

/**
 * `text`, or as much of it as fits `maxBytes` the way grpc-js writes it: percent-encoded as by `encodeURI`. Halves of
 * characters, for which there is no such encoding, are replaced.
 */
function cut(original: string, maxBytes: number): string {
  const text = original.toWellFormed();
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += /^[\w;,/?:@&=+$\-.!~*'()#]$/.test(character) ? 1 : 3 * Buffer.byteLength(character);
    if (bytes > maxBytes) return `${text.slice(0, end)}…`;
    end += character.length;
  }
  return text;
}

/** A time to wait that can be written: whole, and at most a day. What a peer asked for may be anything. */
function sensible(retryAfterMs: number): number {
  return Math.min(Math.max(Math.ceil(retryAfterMs), 0) || 0, 86_400_000);
}

function mapValues(record: Readonly<Record<string, string>>, change: (value: string) => string) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

function pack<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Any {
  return anyPack(schema, create(schema, init));
}

/** What the details of a failure tell of it. */
function detailsTold(details: readonly Any[]) {
  const info = find(details, ErrorInfoSchema);
  const resource = find(details, ResourceInfoSchema);
  const retry = find(details, RetryInfoSchema)?.retryDelay;
  const violations = find(details, BadRequestSchema)?.fieldViolations ?? [];
  const preconditions = find(details, PreconditionFailureSchema)?.violations ?? [];
  return {
    ...(info && { reason: info.reason, domain: info.domain, metadata: info.metadata }),
    violations: violations.map(({ field, description }) => ({ field, description })),
    preconditions: preconditions.map(({ subject, description }) => ({ subject, description })),
    ...(resource && { resource: { type: resource.resourceType, name: resource.resourceName } }),
    ...(retry && { retryAfterMs: durationMs(retry) }),
  };
}

function find<D extends DescMessage>(details: readonly Any[], schema: D) {
  for (const detail of details) {
    if (anyIs(detail, schema)) return readable(() => fromBinary(schema, detail.value));
  }
  return undefined;
}

/** The details of a peer that sent none, or something else in their place, are none. */
function detailsIn(metadata: Metadata | undefined): readonly Any[] {
  const [bytes] = metadata?.get(detailsKey) ?? [];
  if (!Buffer.isBuffer(bytes)) return [];
  return readable(() => fromBinary(StatusSchema, bytes).details) ?? [];
}

/** What `read` answers; `undefined` for bytes that are not what they should be. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
