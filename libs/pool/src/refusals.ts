import { AppError } from "@shoal/kernel";

const domain = "shoal.pool";

/** How long a caller that was refused should stay away, in milliseconds. */
const retryAfterMs = 500;

/** Someone who holds a lease. */
export interface Borrower {
  /** As it was told when it acquired. */
  readonly borrower: string | undefined;
  /** For how long, in milliseconds. */
  readonly heldMs: number;
}

/** What a refusal tells of a pool. */
export interface Crowd {
  readonly name: string;
  readonly inUse: number;
  readonly waiting: number;
  /** Those who hold a lease longest, the longest first. */
  readonly longest: readonly Borrower[];
}

/** As many wait as may. */
export function queueFull(crowd: Crowd): AppError {
  const message = `too many wait for the ${crowd.name}: ${describe(crowd)}`;
  return new AppError({ kind: "exhausted", reason: "POOL_QUEUE_FULL", domain, message, retryAfterMs });
}

/** Nothing became free in the time that the pool has callers wait. */
export function acquireTimeout(crowd: Crowd, waitedMs: number): AppError {
  const message = `nothing of the ${crowd.name} became free in ${Math.round(waitedMs)} ms: ${describe(crowd)}`;
  return new AppError({ kind: "exhausted", reason: "POOL_ACQUIRE_TIMEOUT", domain, message, retryAfterMs });
}

/** The caller's own deadline passed first. */
export function deadlineExceeded(crowd: Crowd, waitedMs: number): AppError {
  const message = `the deadline passed after ${Math.round(waitedMs)} ms of waiting for the ${crowd.name}: ${describe(crowd)}`;
  return new AppError({ kind: "timeout", reason: "DEADLINE_EXCEEDED", domain, message });
}

/** The pool is being drained, or has been. */
export function poolClosed(name: string): AppError {
  return new AppError({ kind: "unavailable", reason: "POOL_CLOSED", domain, message: `the ${name} is closed` });
}

function describe({ inUse, waiting, longest }: Crowd): string {
  const holders = longest.map(({ borrower, heldMs }) => `${borrower ?? "somebody"} for ${Math.round(heldMs)} ms`);
  const held = holders.length === 0 ? "" : `, held longest by ${holders.join(", ")}`;
  return `${inUse} in use, ${waiting} waiting${held}`;
}
