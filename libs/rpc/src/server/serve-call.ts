import type { Message } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { AppError } from "@shoal/kernel";
import { decodeRequest, encodeResponse, type Init } from "../codec.ts";
import { codeOf, toGrpcStatus } from "../errors.ts";
import { tell } from "../tell.ts";
import type { AnyHandler, HandlerContext } from "./handlers.ts";
import type { ServedCall } from "./served-call.ts";

/** What became of a call, told when it has ended. */
export interface CallEnd {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The gRPC code that was answered, by name: `OK`, `NOT_FOUND`, … */
  readonly code: string;
  readonly durationMs: number;
  /** The call's context: its method, its caller's address and identity, and the rest. */
  readonly context: HandlerContext;
  /** Why it failed; for `INTERNAL` this is what the caller was not told. */
  readonly error?: unknown;
}

/** Is told of every call that ends. */
export type OnCallEnd = ((end: CallEnd) => void) | undefined;

/** Runs one call through its layers, answers it, and tells how it ended. Never rejects. */
export async function serveCall(
  call: ServedCall,
  run: (context: HandlerContext) => Promise<void>,
  onCallEnd: OnCallEnd,
): Promise<void> {
  try {
    await run(call);
    // It may have ended while an outer layer still had something to do.
    if (call.abortReason !== undefined) throw call.abortReason;
    if (!call.finished) succeed(call, onCallEnd);
  } catch (error) {
    fail(call, call.abortReason ?? error, onCallEnd);
    // A layer may have ended the call while its handler was at work: that is over too.
    call.abort(error instanceof AppError ? error : callFailed());
  } finally {
    if (!call.entered) call.permit?.release(false);
  }
}

/** What the signal of a call aborts with that an unexpected error has ended. */
function callFailed(): AppError {
  const message = "the call has failed";
  return new AppError({ kind: "internal", reason: "CALL_FAILED", domain: "shoal.rpc", message });
}

/** Answers a call with `reason` at once, whatever its handler does. */
export function abandonCall(call: ServedCall, reason: AppError, onCallEnd: OnCallEnd): void {
  call.abort(reason);
  fail(call, call.abortReason ?? reason, onCallEnd);
}

const ok = { code: status.OK, details: "OK" };

function succeed(call: ServedCall, onCallEnd: OnCallEnd): void {
  call.end(ok);
  tell(onCallEnd, endOf(call, status.OK));
}

function fail(call: ServedCall, error: unknown, onCallEnd: OnCallEnd): void {
  if (call.finished) return;
  call.answer = undefined;
  call.end(toGrpcStatus(error));
  tell(onCallEnd, { ...endOf(call, codeOf(error)), error });
}

function endOf(call: ServedCall, code: status): CallEnd {
  return { path: call.path, code: status[code], durationMs: performance.now() - call.startedAt, context: call };
}

/** What is innermost: decodes, calls the handler, encodes. The four kinds differ only in what comes in and goes out. */
export async function callHandler(call: ServedCall, handler: AnyHandler): Promise<void> {
  if (call.entered) throw new TypeError("a layer of a server may call next once only: the request is gone");
  // The layers may have taken their time.
  if (call.abortReason !== undefined) throw call.abortReason;
  call.entered = true;
  let done = false;
  try {
    await work(call, handler);
    done = true;
  } finally {
    call.permit?.release(done || hasTimedOut(call));
  }
}

function work(call: ServedCall, handler: AnyHandler): Promise<void> {
  switch (call.method.methodKind) {
    case "unary":
      return answerOnce(call, handler(decode(call, call.stream.request), call));
    case "client_streaming":
      return answerOnce(call, handler(requestsOf(call), call));
    case "server_streaming":
      return answerMany(call, handler(decode(call, call.stream.request), call));
    case "bidi_streaming":
      return answerMany(call, handler(requestsOf(call), call));
  }
}

async function answerOnce(call: ServedCall, response: ReturnType<AnyHandler>): Promise<void> {
  call.answer = encode(call, await (response as Promise<Init>));
}

async function answerMany(call: ServedCall, responses: ReturnType<AnyHandler>): Promise<void> {
  for await (const response of responses as AsyncIterable<Init>) {
    if (hasEnded(call)) return;
    const bytes = encode(call, response);
    call.sendSetHeaders();
    const room = call.stream.write(bytes);
    if (room !== undefined) await room;
    // To go on would have the handler look for more that nobody takes; to leave closes it.
    if (hasEnded(call)) return;
  }
}

function hasTimedOut({ abortReason }: ServedCall): boolean {
  return abortReason?.kind === "timeout";
}

function hasEnded({ abortReason, finished, stream }: ServedCall): boolean {
  return abortReason !== undefined || finished || stream.ended;
}

/** The requests of a call, decoded, until its caller ends them. Fails with the reason when the call ends before. */
async function* requestsOf(call: ServedCall): AsyncGenerator<Message, void, undefined> {
  for (;;) {
    if (call.abortReason !== undefined) throw call.abortReason;
    const bytes = await call.stream.read();
    if (bytes === undefined) break;
    yield decode(call, bytes);
  }
  // Node's own clients end their requests when they cancel a call, right before they say that they do: what was cut off
  // must not be taken for a whole.
  await new Promise(setImmediate);
  if (call.abortReason !== undefined) throw call.abortReason;
}

function decode({ method, policy, requestLooks }: ServedCall, bytes: Buffer): Message {
  const request = decodeRequest(method.input, bytes, policy.maxRequestBytes);
  for (const look of requestLooks) look(request);
  return request;
}

function encode({ method, policy, responseLooks }: ServedCall, init: Init): Buffer {
  return encodeResponse(method.output, init, policy.maxResponseBytes, responseLooks);
}
