import type { Message } from "@bufbuild/protobuf";
import { AppError, type Identity } from "@shoal/kernel";
import type { LoadShedder } from "@shoal/resilience";
import type { Layer, Middleware } from "../middleware.ts";
import { requireValid } from "../validation.ts";
import { capacity, shedding } from "./capacity.ts";
import type { OnRefused } from "./early-refusal.ts";
import type { HandlerContext } from "./handlers.ts";
import { rateLimits } from "./rate-limits.ts";
import type { OnCallEnd } from "./serve-call.ts";
import type { ServedCall } from "./served-call.ts";
import { callEnded } from "./served-call.ts";

/** A layer around the handlers of a server. It is run in the call's context: `currentContext()` is there. */
export type ServerMiddleware = Middleware<HandlerContext>;

/** What the layers around a handler do. */
export interface ServerLayerOptions {
  /** Owns the errors that the contract's rules raise, such as `shoal.order`. */
  readonly errorDomain: string;
  /** The access log: told of every call that ends, health and reflection included. Must not throw. */
  readonly onCallEnd?: NonNullable<OnCallEnd>;
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
  /**
   * Refuses what there is no time for, the lowest priorities first; see `ProcessShedder` of `@shoal/resilience`. Not set:
   * nothing. It stays the caller's, who stops it after the server.
   */
  readonly shedder?: LoadShedder | undefined;
  /** Told of each call that the shedder refuses; of those by their headers no layer hears, nor `onCallEnd`. Must not throw. */
  readonly onRefused?: OnRefused;
}

/**
 * All that stands around a handler, in this order, the first outermost; see {@link serveCall} for what is around them: the
 * context, the status that is answered, and the access log. Those that have nothing to do are left out. Health and
 * reflection have only the layers marked with *.
 *
 *  1. telemetry *   sees the call and its error
 *  2. errors *      makes the caller's reason of whatever a call fails with that has ended already
 *  3. deadline *    does not begin what would come too late
 *  4. capacity      bounds the calls at work
 *  5. identity      finds out who is calling, and whether the contract lets them
 *  6. rate limits   keeps the calls within the contract's rate limits
 *  7. shedding      refuses what there is no time for; who waits for a rate limit is no work yet
 *  8. admission     refuses what there is no room for
 *  9. middleware    what the service adds
 * 10. validation *  checks each request against the contract's rules
 */
export function serverLayers(options: ServerLayerOptions): readonly Layer<HandlerContext>[] {
  const { errorDomain, telemetry, identify, admission, middleware = [], maxRunningCalls, shedder, onRefused } = options;
  const layers: readonly (Layer<HandlerContext> | undefined)[] = [
    telemetry && { name: "telemetry", run: telemetry },
    { name: "errors", run: errors },
    { name: "deadline", run: deadline },
    maxRunningCalls === undefined ? undefined : { name: "capacity", run: capacity(maxRunningCalls) },
    identify && { name: "identity", run: identity(identify) },
    maxRunningCalls === undefined ? undefined : { name: "rate limits", run: rateLimits() },
    shedder && { name: "shedding", run: shedding(shedder, onRefused) },
    admission && { name: "admission", run: admission },
    ...middleware.map((run, n) => ({ name: run.name || `middleware ${n + 1}`, run })),
    { name: "validation", run: validation(errorDomain) },
  ];
  return layers.filter((layer) => layer !== undefined);
}

/** Once the call has ended, whatever its work failed with, or succeeded in, is a consequence of that. */
const errors: ServerMiddleware = (context, next) => {
  const call = context as ServedCall;
  return next().then(
    () => {
      if (call.abortReason !== undefined) throw call.abortReason;
    },
    (error) => {
      throw call.abortReason ?? error;
    },
  );
};

const deadline: ServerMiddleware = (context, next) =>
  Date.now() >= context.deadline ? Promise.reject(callEnded(context)) : next();

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
    const call = context as ServedCall;
    const check = (request: Message) => requireValid(call.method.input, request, errorDomain);
    // The first to look: whoever else looks sees only what is valid.
    call.requestLooks = [check, ...call.requestLooks];
    return next();
  };
}
