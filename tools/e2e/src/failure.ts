import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code } from "@shoal/contracts/google/rpc/code";
import {
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
} from "@shoal/contracts/google/rpc/error_details";
import { type Status, StatusSchema } from "@shoal/contracts/google/rpc/status";

/** A failure that came inside a message. */
export class StatusError extends Error {
  readonly status: Status;

  constructor(status: Status) {
    super(status.message);
    this.status = status;
  }
}

/** What a call failed with, as it came over the wire. */
export interface Failure {
  /** The gRPC code by name. */
  readonly code: string;
  readonly message: string;
  readonly infos: readonly ErrorInfo[];
  /** Field paths of its BadRequest, sorted; undefined without one. */
  readonly fields: readonly string[] | undefined;
  readonly hasResource: boolean;
  readonly hasPreconditions: boolean;
}

/** Waits for a call to fail; rejects when it succeeds, or fails in another way than gRPC does. */
export async function failureOf(call: Promise<unknown>): Promise<Failure> {
  try {
    await call;
  } catch (error) {
    return describe(statusIn(error));
  }
  throw new Error("the call succeeded");
}

/** The status in a message, or in the trailer of a failed call, which must agree with the call's own code. */
function statusIn(error: unknown): Status {
  if (error instanceof StatusError) return error.status;
  const { cause } = error as { cause?: { code?: number; metadata?: { get(key: string): unknown[] } } };
  const [bytes] = cause?.metadata?.get("grpc-status-details-bin") ?? [];
  if (!Buffer.isBuffer(bytes)) throw new Error("a failure without details", { cause: error });
  const status = fromBinary(StatusSchema, bytes);
  if (status.code !== cause?.code) throw new Error(`code ${cause?.code} with details of ${status.code}`);
  return status;
}

function describe({ code, message, details }: Status): Failure {
  const all = <T>(unpack: (detail: Status["details"][number]) => T | undefined) =>
    details.map(unpack).filter((detail) => detail !== undefined);
  const requests = all((detail) => anyUnpack(detail, BadRequestSchema));
  return {
    code: Code[code] ?? String(code),
    message,
    infos: all((detail) => anyUnpack(detail, ErrorInfoSchema)),
    fields: requests[0] && [...new Set(requests[0].fieldViolations.map(({ field }) => field))].sort(),
    hasResource: all((detail) => anyUnpack(detail, ResourceInfoSchema)).length > 0,
    hasPreconditions: all((detail) => anyUnpack(detail, PreconditionFailureSchema)).length > 0,
  };
}
