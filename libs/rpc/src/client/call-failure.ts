import { type StatusObject, status } from "@grpc/grpc-js";
import { AppError } from "@shoal/kernel";
import { codeNameOf, fromStatus } from "../errors.ts";
import { markFinal } from "../final-errors.ts";
import type { Attempt } from "./attempt.ts";

/** What an attempt has failed with. */
export interface CallFailure {
  readonly error: AppError;
  /** The name of the code that policies go by. */
  readonly code: string;
  /** Whether it was found on this side, so that another attempt would find the same. */
  readonly isLocal: boolean;
}

/**
 * What a failed attempt means to its caller. What grpc-js itself finds too large has a reason of ours. A page of text, read
 * as messages, seems to be a large one; but what a proxy or a web server says is no gRPC.
 */
export function failureOf(attempt: Attempt, end: StatusObject): CallFailure {
  if (attempt.refusedForMs !== undefined && attempt.run.guard !== undefined)
    return { error: attempt.run.guard.refusal(attempt.refusedForMs), code: "UNAVAILABLE", isLocal: true };
  if (attempt.turnedAway) return { error: fromStatus(end), code: codeNameOf(end), isLocal: true };
  if (end.code !== status.RESOURCE_EXHAUSTED) return { error: fromStatus(end), code: codeNameOf(end), isLocal: false };
  const [type = "application/grpc"] = attempt.headers?.get("content-type") ?? [];
  if (!String(type).startsWith("application/grpc")) {
    const details = `what answers there is no gRPC server; it sends ${type}`;
    return { error: fromStatus({ ...end, code: status.UNKNOWN, details }), code: "UNKNOWN", isLocal: false };
  }
  const error = fromStatus(end);
  // A server whose grpc-js finds the request too large says so in the same words, but with details of its own.
  const isLocal = error.domain === "grpc" && /^Received message (larger than max|that decompresses)/.test(end.details);
  return { error: isLocal ? responseTooLarge(end) : error, code: "RESOURCE_EXHAUSTED", isLocal };
}

function responseTooLarge(end: StatusObject): AppError {
  const reason = "RESPONSE_TOO_LARGE";
  const error = new AppError({ kind: "exhausted", reason, domain: "shoal.rpc", message: end.details, cause: end });
  markFinal(error);
  return error;
}

/** What a call fails with whose answers end in the midst of one. */
export function responseTruncated(): AppError {
  return new AppError({
    kind: "internal",
    reason: "RESPONSE_TRUNCATED",
    domain: "shoal.rpc",
    message: "the responses end in the midst of one of them; its length prefix promises more bytes than came",
  });
}

/** What a call fails with that has ended well, but without the one answer that it should have. */
export function noAnswer(end: StatusObject): AppError {
  const details = "the server ended the call well, but without the answer";
  return fromStatus({ ...end, code: status.INTERNAL, details });
}
