import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import type { AppError, Priority } from "@shoal/kernel";
import type { LoadShedder } from "@shoal/resilience";
import { toGrpcStatus } from "../errors.ts";
import type { LivePolicy } from "../live-policies.ts";
import { tell } from "../tell.ts";
import { priorityIn } from "../wire-context.ts";

/** Told of a call that the shedder has refused; `byHeaders`: before anything was made of it. */
export type OnRefused = (call: {
  readonly path: string;
  readonly priority: Priority;
  readonly byHeaders: boolean;
}) => void;

/**
 * Answers what a call is refused with that has no chance, by its headers alone: a refused call costs a small part of one
 * that is looked at. Calls of methods that are not in `policies` are let pass.
 */
export function earlyRefusal(
  shedder: LoadShedder,
  policies: ReadonlyMap<string, LivePolicy>,
  onRefused: OnRefused | undefined,
): (headers: IncomingHttpHeaders) => OutgoingHttpHeaders | undefined {
  const answers = new WeakMap<AppError, OutgoingHttpHeaders>();
  return (headers) => {
    const path = headers[":path"] ?? "";
    const policy = policies.get(path);
    if (policy === undefined) return undefined;
    const priority = priorityIn(headers) ?? policy.current.priority;
    if (!shedder.refuses(priority)) return undefined;
    const error = shedder.refuse(priority);
    tell(onRefused, { path, priority, byHeaders: true });
    let answer = answers.get(error);
    if (answer === undefined) {
      answer = trailersOnly(error);
      answers.set(error, answer);
    }
    // Node takes the object over.
    return { ...answer };
  };
}

/** A failure as the one frame of headers that gRPC calls trailers-only. */
function trailersOnly(error: AppError): OutgoingHttpHeaders {
  const { code, details, metadata } = toGrpcStatus(error);
  return {
    ":status": 200,
    "content-type": "application/grpc+proto",
    "grpc-status": code,
    "grpc-message": encodeURI(details),
    ...metadata.toHttp2Headers(),
  };
}
