import type { CircuitEvent } from "@shoal/resilience";

/** What a client has done about trouble with its callees, for metrics and logs. `path` is `/package.Service/Method`. */
export type ResilienceEvent =
  /** The breaker of a method and an instance has changed its state. `instance` is the address that it stands before. */
  | ({ readonly type: "breaker"; readonly path: string; readonly instance: string } & Pick<
      CircuitEvent,
      "from" | "to" | "why"
    >)
  /** An attempt has failed with `code`; the next one, the `attempt`th, follows in `waitMs` milliseconds. */
  | {
      readonly type: "retry";
      readonly path: string;
      readonly attempt: number;
      readonly code: string;
      readonly waitMs: number;
    }
  /** The `attempt`th attempt has begun beside others that have not ended. */
  | { readonly type: "hedge"; readonly path: string; readonly attempt: number }
  /** There are no further attempts from now on, for too many calls fail; or there are again. */
  | { readonly type: "retry-budget"; readonly state: "exhausted" | "refilled"; readonly tokens: number }
  /** A call, or a further attempt of one, was not made; by the `connections`: too many wait for room on them. */
  | {
      readonly type: "refused";
      readonly path: string;
      readonly by: "breaker" | "bulkhead" | "connections" | "retry-budget";
    }
  /** The calls of an instance fail while those of others do not: it is left out, for longer each time; or it is back. */
  | { readonly type: "ejection"; readonly instance: string; readonly state: "ejected" | "restored" }
  /** A call has failed with `error`, and what the client makes of that in place of an answer stands in, or has failed too. */
  | {
      readonly type: "fallback";
      readonly path: string;
      readonly state: "used" | "failed";
      readonly error: unknown;
      /** What the fallback itself has failed with; `undefined` when it has not. */
      readonly fallbackError?: unknown;
    };

/** Told at once. Must not throw. */
export type OnResilienceEvent = (event: ResilienceEvent) => void;
