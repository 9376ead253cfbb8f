/**
 * Why a member was closed: it was idle, too old, failed its check, was said to be broken by who used it (`discarded`) or by
 * who watches it (`removed`), the pool ended (`drained`), or it was opened only after its open had been given up (`late`).
 */
export type CloseReason = "idle" | "age" | "check" | "discarded" | "removed" | "drained" | "late";

/** Why an acquire was refused; see `Pool.acquire`. */
export type RefusalReason = "queue-full" | "timeout" | "deadline" | "aborted" | "open-failed" | "closed";

/** What happens in a pool, for metrics and logs. Durations are in milliseconds. */
export type PoolEvent =
  | { readonly type: "opened"; readonly tookMs: number }
  /** An open was refused or took too long. No further one is begun of the pool's own accord for `retryInMs`. */
  | { readonly type: "open-failed"; readonly error: unknown; readonly tookMs: number; readonly retryInMs: number }
  /** `detail` is what `discard` or `remove` was given, or what a check failed with. */
  | { readonly type: "closed"; readonly reason: CloseReason; readonly detail: unknown; readonly ageMs: number }
  /** What the pool's `close` failed with; the member is gone from the pool all the same. */
  | { readonly type: "close-failed"; readonly error: unknown }
  | { readonly type: "acquired"; readonly waitMs: number; readonly borrower: string | undefined }
  | { readonly type: "released"; readonly heldMs: number; readonly borrower: string | undefined }
  | {
      readonly type: "refused";
      readonly reason: RefusalReason;
      readonly waitMs: number;
      readonly borrower: string | undefined;
    }
  /** Once for each lease that is held too long. */
  | { readonly type: "leaked"; readonly heldMs: number; readonly borrower: string | undefined };
