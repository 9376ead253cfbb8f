/**
 * Every moment between two steps at which a process can be made to crash, by its name, and what has happened by then. The
 * services reach them by {@link crashPoint}.
 */
export const crashPoints = {
  "before-commit": "a transaction has done its work, and is not committed",
  "after-commit": "a transaction is committed, and nobody has been told",
  "before-reply": "a call is decided, and its answer not sent",
  "after-reply": "the answer of a call has been sent",
  "before-publish": "the relay has given events their places, and not committed them",
  "after-publish": "the relay has published events, and told no reader",
  "mid-prune": "old first answers are found, and not deleted",
  "between-halves": "of a batch that failed, one half has been done again",
  "after-hold": "order: the stock is held, and the order not written",
  "mid-answers": "order: the orders of a batch are written, their lines and events not",
  "after-intent": "order: a confirmation or cancellation is noted, and the inventory not asked",
  "after-hold-end": "order: the inventory has ended a hold for whoever asked, and the order does not say so",
  "mid-settle": "order: the inventory has ended a hold for the settling job, and the order does not say so",
  "mid-reserve": "inventory: the reservations of a batch are written, and their stock not moved",
  "mid-hold-end": "inventory: a hold is marked as ended, and its stock not moved",
  "mid-expiry": "inventory: holds that are past their time are found, and not ended",
} as const;

/** The name of a moment at which a process can be made to crash. */
export type CrashPoint = keyof typeof crashPoints;

let listener: ((point: CrashPoint) => void) | undefined;

/** Says that this process has come to `point`. Does nothing, and costs one check, unless somebody listens. */
export function crashPoint(point: CrashPoint): void {
  listener?.(point);
}

/**
 * Has `reached` called, in place of whoever was called before, whenever this process comes to a crash point; `undefined`:
 * nobody. To be called before anything else has begun.
 */
export function onCrashPoint(reached: ((point: CrashPoint) => void) | undefined): void {
  listener = reached;
}
