export { type AtWork, isAtWork, isIdle, type ScopeReport, tasksAtWork } from "./at-work.ts";
export { BatchMismatchError } from "./batch.ts";
export { Batcher } from "./batcher.ts";
export {
  type BatchDone,
  type BatcherOptions,
  type BatcherSettings,
  type BatchObserver,
  defaultBatcherOptions,
  type ItemResult,
} from "./batcher-options.ts";
export { Broadcast } from "./broadcast.ts";
export { defaultKeyedMutexOptions, KeyedMutex, type KeyedMutexOptions, type KeyHold } from "./keyed-mutex.ts";
export { mapConcurrent } from "./map-concurrent.ts";
export { ClosedError, DiscardedError, QueueFullError, WaitTimeoutError } from "./refusals.ts";
export { type Repeating, type RepeatOptions, repeat } from "./repeat.ts";
export { defaultSemaphoreOptions, type Permit, Semaphore, type SemaphoreOptions } from "./semaphore.ts";
export { defaultSingleFlightOptions, SingleFlight, type SingleFlightOptions } from "./single-flight.ts";
export { splitFailedBatches } from "./split-batches.ts";
export {
  defaultSubscribeOptions,
  LaggedError,
  type SlowSubscriberPolicy,
  type SubscribeOptions,
  type Subscription,
} from "./subscription.ts";
export { defaultTaskQueueOptions, TaskQueue, type TaskQueueOptions } from "./task-queue.ts";
export { defaultTaskScopeOptions, TaskScope, type TaskScopeOptions, withTaskScope } from "./task-scope.ts";
export { untilAborted } from "./until-aborted.ts";
export type { WaitOptions } from "./wait-options.ts";
export {
  defaultWorkerPoolOptions,
  type RejectionPolicy,
  WorkerPool,
  type WorkerPoolOptions,
} from "./worker-pool.ts";
