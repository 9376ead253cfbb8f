export { AttemptTimeoutError } from "./attempt.ts";
export type { Lease } from "./lease.ts";
export { Pool, type PoolStats } from "./pool.ts";
export type { CloseReason, PoolEvent, RefusalReason } from "./pool-events.ts";
export { defaultPoolOptions, type PoolOptions, type PoolSettings } from "./pool-options.ts";
export type { Borrower } from "./refusals.ts";
export type { AcquireOptions } from "./waiter-queue.ts";
export { type WatermarkOptions, Watermarks } from "./watermarks.ts";
