import { AppError } from "@shoal/kernel";
import type { AdmittedCall, LoadShedder } from "@shoal/resilience";
import { tell } from "../tell.ts";
import type { OnRefused } from "./early-refusal.ts";
import type { ServedCall } from "./served-call.ts";
import type { ServerMiddleware } from "./server-layers.ts";

/** Bounds the calls at work, all of them by `maxRunningCalls`. */
export function capacity(maxRunningCalls: number): ServerMiddleware {
  let running = 0;
  const leave = () => {
    running -= 1;
  };
  const place = { release: leave };
  return (context, next) => {
    if (running >= maxRunningCalls) return Promise.reject(tooManyCalls(maxRunningCalls));
    running += 1;
    (context as ServedCall).permit = place;
    return next();
  };
}

/**
 * Lets calls of one request and one answer begin as `shedder` does. Streams, which may last, are only begun while it refuses
 * nobody of their priority.
 */
export function shedding(shedder: LoadShedder, onRefused?: OnRefused): ServerMiddleware {
  return async (context, next) => {
    const call = context as ServedCall;
    try {
      if (call.method.methodKind === "unary") {
        const entered = shedder.enter(call);
        call.permit = new Place(entered instanceof Promise ? await entered : entered, call.permit);
      } else if (shedder.refuses(call.priority)) throw shedder.refuse(call.priority);
    } catch (error) {
      // One that has ended while it waited has not been refused.
      if (call.abortReason === undefined)
        tell(onRefused, { path: call.path, priority: call.priority, byHeaders: false });
      throw error;
    }
    await next();
  };
}

/** A call's place among those at work. */
class Place {
  readonly #admitted: AdmittedCall;
  readonly #outer: ServedCall["permit"];

  constructor(admitted: AdmittedCall, outer: ServedCall["permit"]) {
    this.#admitted = admitted;
    this.#outer = outer;
  }

  release(done: boolean): void {
    this.#outer?.release(done);
    this.#admitted.end(done);
  }
}

function tooManyCalls(maxRunningCalls: number): AppError {
  return new AppError({
    kind: "exhausted",
    reason: "TOO_MANY_CALLS",
    domain: "shoal.rpc",
    message: `the server works on ${maxRunningCalls} calls already; try again in a moment`,
    retryAfterMs: 100,
  });
}
