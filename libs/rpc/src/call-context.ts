import type { DescMethod } from "@bufbuild/protobuf";
import type { Metadata, ServerUnaryCall } from "@grpc/grpc-js";
import { AppError, newId } from "@shoal/kernel";
import type { HandlerContext } from "./handlers.ts";

/** The metadata key that carries {@link CallContext.requestId} from service to service. */
export const requestIdKey = "x-request-id";

/** What every kind of grpc-js server call has in common. */
export interface ServerCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  getDeadline(): ReturnType<ServerUnaryCall<unknown, unknown>["getDeadline"]>;
  getPeer(): string;
  on(event: "cancelled", listener: () => void): unknown;
}

/** A call that is being served, and how it is cut short. */
export interface ServedCall {
  readonly context: HandlerContext;
  /** Aborts the context's signal with `reason`. */
  abort(reason: AppError): void;
}

/** The context of a call that has just arrived. Its signal aborts with an {@link AppError} that says why. */
export function createContext(method: DescMethod, call: ServerCall, draining: AbortSignal): ServedCall {
  const controller = new AbortController();
  const deadline = Number(call.getDeadline());
  const end = () => controller.abort(callEnded(Date.now() >= deadline));
  if (call.cancelled) end();
  else call.on("cancelled", end);
  const context = {
    method,
    requestId: requestIdIn(call.metadata) ?? newId(),
    deadline,
    signal: controller.signal,
    requestMetadata: call.metadata,
    draining,
  };
  return { context, abort: (reason) => controller.abort(reason) };
}

function callEnded(deadlinePassed: boolean): AppError {
  return new AppError({
    kind: deadlinePassed ? "timeout" : "cancelled",
    reason: deadlinePassed ? "DEADLINE_EXCEEDED" : "CANCELLED",
    domain: "shoal.rpc",
    message: deadlinePassed ? "the call's deadline passed" : "the caller cancelled the call",
  });
}

/** A caller's own id is taken where it is fit to stand in a log line. */
function requestIdIn(metadata: Metadata): string | undefined {
  const [value] = metadata.get(requestIdKey);
  return typeof value === "string" && /^[\w.:-]{1,128}$/.test(value) ? value : undefined;
}
