import { AppError } from "@shoal/kernel";
import type { AdmittedCall, LoadShedder } from "@shoal/resilience";
import type { ServedCall } from "./served-call.ts";
import type { ServerMiddleware } from "./server-layers.ts";

/**
 * Bounds the calls at work: all of them by `maxRunningCalls`, and those of one request and one answer by `shedder` as well,
 * if there is one. Streams, which may last, are only begun while it refuses nobody of their priority.
 */
export function capacity(maxRunningCalls: number, shedder: LoadShedder | undefined): ServerMiddleware {
  let running = 0;
  const leave = () => {
    running -= 1;
  };
  const place = { release: leave };
  return (context, next) => {
    if (running >= maxRunningCalls) return Promise.reject(tooManyCalls(maxRunningCalls));
    running += 1;
    const call = context as ServedCall;
    call.permit = place;
    if (shedder === undefined) return next();
    if (call.method.methodKind !== "unary")
      return shedder.refuses(call.priority) ? Promise.reject(shedder.refuse(call.priority)) : next();
    return enter(call, shedder, leave, next);
  };
}

async function enter(
  call: ServedCall,
  shedder: LoadShedder,
  leave: () => void,
  next: () => Promise<void>,
): Promise<void> {
  const entered = shedder.enter(call);
  const admitted = entered instanceof Promise ? await entered : entered;
  call.permit = new Place(admitted, leave);
  await next();
}

/** A call's place among those at work. */
class Place {
  readonly #admitted: AdmittedCall;
  readonly #leave: () => void;

  constructor(admitted: AdmittedCall, leave: () => void) {
    this.#admitted = admitted;
    this.#leave = leave;
  }

  release(done: boolean): void {
    this.#leave();
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
