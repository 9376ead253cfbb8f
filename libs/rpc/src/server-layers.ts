import { status } from "@grpc/grpc-js";
import { AppError, type Identity } from "@shoal/kernel";
import { codeOf } from "./errors.ts";
import type { HandlerContext } from "./handlers.ts";
import type { Layer, Middleware } from "./middleware.ts";
import type { ServedCall } from "./served-call.ts";
import { callEnded } from "./served-call.ts";
import { requireValid } from "./validation.ts";

/** A layer around the handlers of a server. It is run in the call's context: `currentContext()` is there. */
export type ServerMiddleware = Middleware<HandlerContext>;

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

/** What the layers around a handler do. */
export interface ServerLayerOptions {
  /** Owns the errors that the contract's rules raise, such as `shoal.order`. */
  readonly errorDomain: string;
  /** The access log: told of every call that ends, health and reflection included. Must not throw. */
  readonly onCallEnd?: (end: CallEnd) => void;
  /** Sees every call from its begin to its end with the error that it fails with, for traces and metrics. */
  readonly telemetry?: ServerMiddleware;
  /**
   * Says who is calling, by the call's metadata or certificate; `undefined` for a caller that does not say. What it throws
   * ends the call (`unauthenticated` for credentials that are no good). Needed where a contract asks for authorization.
   */
  readonly identify?: (context: HandlerContext) => Identity | undefined | Promise<Identity | undefined>;
  /** Throws for a call that there is no room for, and runs the others. */
  readonly admission?: ServerMiddleware;
  /** Further layers, the first outermost. They see calls that were admitted, before their requests are decoded. */
  readonly middleware?: readonly ServerMiddleware[];
  /** Calls at work at once, of all connections together, 1 to 1,000,000. More are refused at once. */
  readonly maxRunningCalls?: number;
}

/**
 * All that stands around a handler, in this order, the first outermost; the call's context is set before the first. Those
 * that have nothing to do are left out. Health and reflection have only the layers marked with *.
 *
 *  1. access log *  tells how the call ended
 *  2. telemetry *   sees the call and its error
 *  3. errors *      makes the caller's reason of whatever a call fails with that has ended already
 *  4. deadline *    does not begin what would come too late
 *  5. capacity      bounds the calls at work
 *  6. identity      finds out who is calling, and whether the contract lets them
 *  7. admission     refuses what there is no room for
 *  8. middleware    what the service adds
 *  9. validation *  checks each request against the contract's rules
 */
export function serverLayers(options: ServerLayerOptions): readonly Layer<HandlerContext>[] {
  const { errorDomain, onCallEnd, telemetry, identify, admission, middleware = [], maxRunningCalls } = options;
  const layers: readonly (Layer<HandlerContext> | undefined)[] = [
    onCallEnd && { name: "access log", run: accessLog(onCallEnd) },
    telemetry && { name: "telemetry", run: telemetry },
    { name: "errors", run: errors },
    { name: "deadline", run: deadline },
    maxRunningCalls === undefined ? undefined : { name: "capacity", run: capacity(maxRunningCalls) },
    identify && { name: "identity", run: identity(identify) },
    admission && { name: "admission", run: admission },
    ...middleware.map((run, n) => ({ name: run.name || `middleware ${n + 1}`, run })),
    { name: "validation", run: validation(errorDomain) },
  ];
  return layers.filter((layer) => layer !== undefined);
}

function accessLog(onCallEnd: (end: CallEnd) => void): ServerMiddleware {
  const tell = (context: HandlerContext, code: status, error?: unknown) =>
    onCallEnd({
      path: context.path,
      code: status[code],
      durationMs: performance.now() - (context as ServedCall).startedAt,
      context,
      ...(error !== undefined && { error }),
    });
  return async (context, next) => {
    try {
      await next();
    } catch (error) {
      tell(context, codeOf(error), error);
      throw error;
    }
    tell(context, status.OK);
  };
}

/** Once the call has ended, whatever its work failed with, or succeeded in, is a consequence of that. */
const errors: ServerMiddleware = async (context, next) => {
  const call = context as ServedCall;
  try {
    await next();
  } catch (error) {
    throw call.abortReason ?? error;
  }
  if (call.abortReason !== undefined) throw call.abortReason;
};

const deadline: ServerMiddleware = (context, next) => {
  if (Date.now() >= context.deadline) throw callEnded(context);
  return next();
};

function capacity(maxRunningCalls: number): ServerMiddleware {
  let running = 0;
  return async (_, next) => {
    if (running >= maxRunningCalls)
      throw new AppError({
        kind: "exhausted",
        reason: "TOO_MANY_CALLS",
        domain: "shoal.rpc",
        message: `the server works on ${maxRunningCalls} calls already; try again in a moment`,
        retryAfterMs: 100,
      });
    running += 1;
    try {
      await next();
    } finally {
      running -= 1;
    }
  };
}

function identity(identify: NonNullable<ServerLayerOptions["identify"]>): ServerMiddleware {
  return async (context, next) => {
    const caller = await identify(context);
    const { scopes } = context.policy;
    if (scopes !== undefined) requireScopes(caller, scopes);
    (context as ServedCall).identity = caller;
    await next();
  };
}

function requireScopes(caller: Identity | undefined, scopes: readonly string[]): void {
  const domain = "shoal.rpc";
  if (caller === undefined)
    throw new AppError({
      kind: "unauthenticated",
      reason: "CREDENTIALS_MISSING",
      domain,
      message: "this method wants to know who is calling; send your credentials with the call",
    });
  const missing = scopes.filter((scope) => !caller.scopes.has(scope));
  if (missing.length > 0)
    throw new AppError({
      kind: "forbidden",
      reason: "SCOPE_MISSING",
      domain,
      message: `this method needs the scope ${missing.join(" ")}, which the caller does not have`,
      metadata: { scopes: missing.join(" ") },
    });
}

function validation(errorDomain: string): ServerMiddleware {
  return (context, next) => {
    const { input } = context.method;
    // The first to look: whoever else looks sees only what is valid.
    (context as ServedCall).requestLooks.unshift((request) => requireValid(input, request, errorDomain));
    return next();
  };
}
