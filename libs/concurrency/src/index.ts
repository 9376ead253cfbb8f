export { Broadcast, LaggedError } from "./broadcast.ts";
export { mapConcurrent } from "./map-concurrent.ts";
export { type Repeating, type RepeatOptions, repeat } from "./repeat.ts";
export { QueueFullError, Semaphore, type SemaphoreOptions } from "./semaphore.ts";
export { untilAborted } from "./until-aborted.ts";
