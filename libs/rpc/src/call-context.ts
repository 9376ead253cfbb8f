import type { DescMethod } from "@bufbuild/protobuf";
import type { Metadata, ServerUnaryCall } from "@grpc/grpc-js";
import { AppError, type Priority } from "@shoal/kernel";
import type { HandlerContext } from "./handlers.ts";
import { readContext } from "./wire-context.ts";

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

/**
 * The context of a call that has just arrived; its priority is `priority` unless the caller says otherwise. Its signal
 * aborts with an {@link AppError} that says why.
 */
export function createServedCall(
  method: DescMethod,
  call: ServerCall,
  draining: AbortSignal,
  priority: Priority,
): ServedCall {
  const controller = new AbortController();
  const deadline = Number(call.getDeadline());
  const end = () => controller.abort(callEnded(Date.now() >= deadline));
  // Work for which it is too late already is not begun.
  if (call.cancelled || Date.now() >= deadline) end();
  else call.on("cancelled", end);
  const context: HandlerContext = {
    ...readContext(call.metadata, priority),
    method,
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
