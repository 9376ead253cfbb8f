export { type CountedEvent, createEventCounter } from "./event-counter.ts";
export { createLogger, type Logger, type LogLevel } from "./logger.ts";
