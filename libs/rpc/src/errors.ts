import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyIs, anyPack, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";
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

/** The trailer in which gRPC carries a `google.rpc.Status` with its details. */
const detailsKey = "grpc-status-details-bin";

/** The gRPC code of a failure: `INTERNAL` for anything but an {@link AppError}. */
export function codeOf(error: unknown): status {
  return error instanceof AppError ? codeOfKind[error.kind] : status.INTERNAL;
}

/**
 * A failure as a `google.rpc.Status`: exactly one `ErrorInfo`, and the detail of its kind. Anything but an
 * {@link AppError} becomes INTERNAL with a fixed message and the request id; what it says stays here.
 */
export function statusOf(error: unknown): Status {
  const known = error instanceof AppError && error.kind !== "internal" ? error : unexpected();
  return create(StatusSchema, { code: codeOfKind[known.kind], message: known.message, details: detailsOf(known) });
}

/** The failure as grpc-js sends it: code, message, and the details in their trailer. */
export function toGrpcStatus(error: unknown): StatusObject {
  const rich = statusOf(error);
  const metadata = new Metadata();
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, rich)));
  return { code: rich.code, details: rich.message, metadata };
}

/** What a client makes of a failed call: an {@link AppError} of the same kind, with the details that were sent. */
export function fromServiceError(error: ServiceError): AppError {
  const details = detailsIn(error.metadata);
  const info = find(details, ErrorInfoSchema);
  const retry = find(details, RetryInfoSchema)?.retryDelay;
  const resource = find(details, ResourceInfoSchema);
  return new AppError({
    kind: kindOfCode.get(error.code) ?? "internal",
    reason: info?.reason ?? status[error.code] ?? "UNKNOWN",
    domain: info?.domain ?? "grpc",
    message: error.details,
    metadata: info?.metadata ?? {},
    violations: (find(details, BadRequestSchema)?.fieldViolations ?? []).map(({ field, description }) => ({
      field,
      description,
    })),
    preconditions: (find(details, PreconditionFailureSchema)?.violations ?? []).map(({ subject, description }) => ({
      subject,
      description,
    })),
    ...(resource && { resource: { type: resource.resourceType, name: resource.resourceName } }),
    ...(retry && { retryAfterMs: durationMs(retry) }),
    cause: error,
  });
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

function unexpected(): AppError {
  const requestId = currentContext()?.requestId ?? "";
  return new AppError({
    kind: "internal",
    reason: "INTERNAL",
    domain: "shoal.rpc",
    message: `internal error; quote request id ${requestId} when you report it`,
  });
}

function detailsOf(error: AppError): Any[] {
  const { reason, domain, metadata, violations, resource, preconditions, retryAfterMs } = error;
  const details = [pack(ErrorInfoSchema, { reason, domain, metadata })];
  if (error.kind === "invalid") {
    const fieldViolations = violations.map(({ field, description }) => ({ field, description }));
    details.push(pack(BadRequestSchema, { fieldViolations }));
  }
  if (resource !== undefined)
    details.push(pack(ResourceInfoSchema, { resourceType: resource.type, resourceName: resource.name }));
  if (preconditions.length > 0)
    details.push(pack(PreconditionFailureSchema, { violations: preconditions.map((p) => ({ type: reason, ...p })) }));
  if (error.kind === "exhausted")
    details.push(pack(QuotaFailureSchema, { violations: [{ subject: domain, description: error.message }] }));
  if (retryAfterMs !== undefined) details.push(pack(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterMs) }));
  const requestId = currentContext()?.requestId;
  if (error.kind === "internal" && requestId !== undefined) details.push(pack(RequestInfoSchema, { requestId }));
  return details;
}

function pack<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Any {
  return anyPack(schema, create(schema, init));
}

function find<D extends DescMessage>(details: readonly Any[], schema: D) {
  for (const detail of details) {
    if (anyIs(detail, schema)) return fromBinary(schema, detail.value);
  }
  return undefined;
}

/** The details of a peer that sent none, or something else in their place, are none. */
function detailsIn(metadata: Metadata | undefined): readonly Any[] {
  const [bytes] = metadata?.get(detailsKey) ?? [];
  if (!Buffer.isBuffer(bytes)) return [];
  try {
    return fromBinary(StatusSchema, bytes).details;
  } catch {
    return [];
  }
}
