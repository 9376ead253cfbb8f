export { AppError, type AppErrorInit, type ErrorKind, type FieldViolation, initOf, isAppError } from "./app-error.ts";
export {
  type CallContext,
  createContext,
  currentContext,
  type Identity,
  outsideAnyCall,
  type Priority,
  runWithContext,
  withSignal,
} from "./call-context.ts";
export { type Clock, systemClock } from "./clock.ts";
export { type CrashPoint, crashPoint, crashPoints, onCrashPoint } from "./crash-point.ts";
export { derivedId, newId } from "./ids.ts";
export { type Linked, LinkedList } from "./linked-list.ts";
export { addMoney, type Money, maxMinorUnits, multiplyMoney } from "./money.ts";
export { randomFrom } from "./random.ts";
export { requireInteger } from "./require-integer.ts";
export { maxDelayMs, systemTimers, type Timers } from "./timers.ts";
