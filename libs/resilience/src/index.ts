export {
  AdaptiveThrottle,
  type AdaptiveThrottleOptions,
  type AdaptiveThrottleSettings,
  defaultAdaptiveThrottleOptions,
} from "./breaker/adaptive-throttle.ts";
export type { Breaker, BreakerPermit } from "./breaker/breaker.ts";
export { CircuitBreaker } from "./breaker/circuit-breaker.ts";
export {
  type CircuitBreakerOptions,
  type CircuitBreakerSettings,
  type CircuitWindow,
  defaultCircuitBreakerOptions,
} from "./breaker/circuit-breaker-options.ts";
export type { CircuitCause, CircuitEvent, CircuitRates, CircuitState } from "./breaker/circuit-state.ts";
export { outcomeOfError } from "./breaker/outcome-of-error.ts";
export { breakerRefusal } from "./breaker/refusals.ts";
export { type GuardOptions, withBreaker } from "./breaker/with-breaker.ts";
export { Bulkhead, type BulkheadOptions, defaultBulkheadOptions, type EnterOptions, type Release } from "./bulkhead.ts";
export { bulkheadFull } from "./bulkhead-full.ts";
export { type FallbackEvent, type FallbackOptions, isDependencyFailure, withFallback } from "./fallback.ts";
export type { Outcome } from "./outcome.ts";
export { defaultKeyedLimiterOptions, KeyedLimiter, type KeyedLimiterOptions } from "./rate-limit/keyed-limiter.ts";
export {
  defaultLeakyBucketOptions,
  LeakyBucket,
  type LeakyBucketOptions,
  type TurnOptions,
} from "./rate-limit/leaky-bucket.ts";
export { rateLimited } from "./rate-limit/rate-limited.ts";
export type { RateLimiter } from "./rate-limit/rate-limiter.ts";
export {
  defaultSlidingWindowOptions,
  SlidingWindow,
  type SlidingWindowOptions,
} from "./rate-limit/sliding-window.ts";
export { defaultTokenBucketOptions, TokenBucket, type TokenBucketOptions } from "./rate-limit/token-bucket.ts";
export { type BackoffBounds, jitteredBackoffMs } from "./retry/backoff.ts";
export { type FailedAttempt, nextAttempt, type RetryDecision, type RetryRules } from "./retry/next-attempt.ts";
export {
  defaultRetryBudgetOptions,
  RetryBudget,
  type RetryBudgetEvent,
  type RetryBudgetOptions,
  type RetryBudgetSettings,
} from "./retry/retry-budget.ts";
export { type CgroupCpu, readCgroupCpu } from "./shedding/cgroup-cpu.ts";
export { defaultGradientLimitOptions, GradientLimit, type GradientLimitOptions } from "./shedding/gradient-limit.ts";
export {
  type AdmittedCall,
  defaultLoadShedderOptions,
  LoadShedder,
  type LoadShedderOptions,
  type SheddableCall,
  type SheddingEvent,
} from "./shedding/load-shedder.ts";
export {
  defaultProcessLoadOptions,
  type ProcessLoad,
  type ProcessLoadOptions,
  ProcessLoadWatch,
} from "./shedding/process-load.ts";
export { ProcessShedder, type ProcessShedderOptions } from "./shedding/process-shedder.ts";
