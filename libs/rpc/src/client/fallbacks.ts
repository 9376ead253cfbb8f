import { create, type DescMethodUnary, type DescService, type MessageInitShape } from "@bufbuild/protobuf";
import type { AppError } from "@shoal/kernel";
import { withFallback } from "@shoal/resilience";
import type { Init } from "../codec.ts";
import { tell } from "../tell.ts";
import type { ClientCall, ClientContext } from "./client-call.ts";
import type { OnResilienceEvent } from "./resilience-events.ts";

/**
 * Answers in place of calls that have failed for want of their callee: because it is away, has too much to do, or has not
 * answered in time. One for each method of one request and one answer that has any. `undefined`: there is none for this
 * request, and the call fails as it has.
 */
export type Fallbacks<S extends DescService> = {
  readonly [K in keyof S["method"] as S["method"][K] extends DescMethodUnary
    ? K
    : never]?: S["method"][K] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, error: AppError) => Degraded<MessageInitShape<O>>
    : never;
};

type Degraded<T> = T | undefined | Promise<T | undefined>;

type Fallback = (request: Init, error: AppError) => Degraded<Init>;

/** Throws a `RangeError` for a fallback of a method that there is not, or that has more than one request or answer. */
export function requireFallbacks(service: DescService, fallbacks: object): void {
  for (const name of Object.keys(fallbacks))
    if (service.method[name]?.methodKind !== "unary")
      throw new RangeError(`fallbacks: ${service.typeName} has no method ${name} of one request and one answer`);
}

/**
 * Runs calls through their layers, and has the fallback of their method answer where they fail. A fallback that fails too
 * changes nothing: the call has failed as it has. See {@link withFallback}.
 */
export function fallingBack(
  layers: (context: ClientContext) => Promise<void>,
  fallbacks: object,
  onEvent: OnResilienceEvent | undefined,
): (context: ClientContext) => Promise<void> {
  const known = new Map<string, Fallback>(Object.entries(fallbacks));
  return (context) => {
    const fallback = known.get(context.method.localName);
    if (fallback === undefined) return layers(context);
    const { path } = context;
    return withFallback(
      () => layers(context),
      (error) => fallBack(context as ClientCall, fallback, error),
      { onEvent: ({ type: state, ...errors }) => tell(onEvent, { type: "fallback", path, state, ...errors }) },
    );
  };
}

/** Throws `error` where there is no answer. */
async function fallBack(call: ClientCall, fallback: Fallback, error: unknown): Promise<void> {
  const { input, method } = call;
  if (!("request" in input)) throw error;
  const answer = await fallback(input.request, error as AppError);
  if (answer === undefined) throw error;
  const received = create(method.output, answer);
  // A layer may have given up a call that still runs.
  call.leave();
  call.received = received;
  call.degradedBy = error as AppError;
}
